// Channels-last ops give what the ops that they stand for give, in another order of memory.

#include <doctest/doctest.h>

#include "graph/edit.hpp"
#include "support/model_tools.hpp"
#include "support/op_case.hpp"
#include "support/random_tensor.hpp"
#include "support/run_graph.hpp"
#include "support/run_op.hpp"

namespace pleat {

namespace test {
std::vector<OpCase> channels_last_cases();
}  // namespace test

namespace {

// The op that a case of channels-last data stands for.
ops::Attributes channels_first_op(const ops::Attributes& attributes) {
  if (const auto* conv = std::get_if<ops::ConvChannelsLast>(&attributes)) {
    return ops::Conv{conv->window, conv->groups, conv->epilogue};
  }
  if (const auto* pool = std::get_if<ops::MaxPoolChannelsLast>(&attributes)) {
    return ops::MaxPool{pool->window, pool->ceil_mode};
  }
  if (const auto* pool = std::get_if<ops::AvgPoolChannelsLast>(&attributes)) {
    return ops::AvgPool{pool->window, pool->count_include_pad, pool->ceil_mode};
  }
  REQUIRE(std::holds_alternative<ops::GlobalAvgPoolChannelsLast>(attributes));
  return ops::GlobalAvgPool{/*keep_dims=*/true};
}

// What a case stands for, in (N, C, H, W).
ValueId add_channels_first(GraphData& graph, const ops::Attributes& attributes,
                           const std::vector<ValueId>& inputs) {
  if (const auto* joined = std::get_if<ops::ConcatScaleShiftChannelsLast>(&attributes)) {
    const std::vector<ValueId> images(inputs.begin() + 3, inputs.end());
    const ValueId x = add_node(graph, "join", ops::Concat{1}, images)[0];
    return add_node(graph, "first", ops::ScaleShift{1, joined->activation, joined->alpha},
                    {x, inputs[0], inputs[1], inputs[2], kAbsent})[0];
  }
  const auto* gated = std::get_if<ops::ConvChannelsLast>(&attributes);
  if (gated != nullptr && gated->gated) {
    const ValueId x = add_node(graph, "gate", ops::Binary{ops::BinaryKind::mul}, {inputs[0], inputs[4]})[0];
    return add_node(graph, "first", channels_first_op(attributes), {x, inputs[1], inputs[2], inputs[3]})[0];
  }
  const auto* both = std::get_if<ops::ExpandDepthwiseChannelsLast>(&attributes);
  if (both == nullptr) return add_node(graph, "first", channels_first_op(attributes), inputs)[0];
  const ValueId expanded =
      add_node(graph, "expand", ops::Conv{{}, 1, both->expand}, {inputs[0], inputs[1], inputs[2]})[0];
  const ops::Conv depthwise{both->window, graph.value(inputs[3]).type.shape[0], both->epilogue};
  return add_node(graph, "first", depthwise, {expanded, inputs[3], inputs[4]})[0];
}

// In double, where nothing but the order of the sums tells the two apart.
TEST_CASE("channels-last ops agree with the ops on (N, C, H, W)") {
  for (const test::OpCase& one : test::channels_last_cases()) {
    CAPTURE(one.name);
    const auto* conv = std::get_if<ops::ConvChannelsLast>(&one.attributes);
    GraphData graph;
    std::vector<ValueId> last, first;
    std::vector<Tensor> fed;
    const std::vector<Tensor> drawn = test::draw_inputs(one, 3);
    for (size_t i = 0; i < drawn.size(); ++i) {
      if (!drawn[i].defined()) {
        last.push_back(kAbsent);
        first.push_back(kAbsent);
        continue;
      }
      const std::string name = "input" + std::to_string(i);
      const Tensor data = drawn[i].to(DType::f64);
      const bool constant = !one.inputs[i].values.empty();
      const ValueId value =
          constant ? add_constant(graph, name, data) : add_input(graph, name, {data.dtype(), data.shape()});
      if (!constant) fed.push_back(data);
      const bool planar = conv != nullptr && conv->planar && i == 0;
      const bool weight = constant || (conv != nullptr && i == 1);
      const bool image = !weight && !planar && data.shape().rank() == 4;
      last.push_back(value);
      first.push_back(image ? add_node(graph, name + ".nchw", ops::Transpose{{0, 3, 1, 2}}, {value})[0]
                            : value);
    }
    const ValueId y = add_node(graph, "last", one.attributes, last)[0];
    ValueId z = add_channels_first(graph, one.attributes, first);
    if (conv != nullptr && conv->global_average) {
      z = add_node(graph, "average", ops::GlobalAvgPool{/*keep_dims=*/true}, {z})[0];
    }
    graph.outputs = {y, add_node(graph, "nhwc", ops::Transpose{{0, 2, 3, 1}}, {z})[0]};
    graph.output_names = {"y", "z"};
    const std::vector<Tensor> results = test::run_graph(graph, fed);
    REQUIRE(results[0].shape() == results[1].shape());
    CHECK(test::relative_error(results[0], results[1]) < 1e-13);
  }
}

// A batch is written past the caches, its images by themselves are not.
void check_large(const ops::Attributes& attributes, const Tensor& x, std::vector<Tensor> others) {
  const auto run = [&](Tensor part) {
    std::vector<Tensor*> inputs = {&part};
    for (Tensor& other : others) inputs.push_back(other.defined() ? &other : nullptr);
    return test::run_op<float>(attributes, inputs)[0];
  };
  const Tensor whole = run(x);
  REQUIRE(whole.numel() >= kStreamedElements);
  const int64_t images = x.shape()[0], in = x.numel() / images, out = whole.numel() / images;
  for (int64_t i = 0; i < images; ++i) {
    Shape one = x.shape();
    one[0] = 1;
    Tensor image(one);
    std::copy_n(x.data<float>() + i * in, in, image.data<float>());
    const Tensor alone = run(image);
    CHECK(std::ranges::equal(alone.span<float>(), whole.span<float>().subspan(static_cast<size_t>(i * out),
                                                                              static_cast<size_t>(out))));
  }
}

TEST_CASE("outputs that leave the caches are the same") {
  ops::ConvChannelsLast conv;
  conv.trains = true;
  check_large(conv, test::random_tensor({4, 256, 256, 5}, 1),
              {test::random_tensor({16, 5, 1, 1}, 2), {}, {}});

  ops::BatchNorm norm;
  norm.spatial_dims = 2;
  norm.channels_last = true;
  norm.batch_statistics = false;
  norm.activation = Activation::relu;
  const auto channels = [](uint64_t seed) { return test::random_tensor({48}, seed, 0.5, 2); };
  check_large(norm, test::random_tensor({4, 256, 128, 48}, 3),
              {channels(4), channels(5), channels(6), channels(7), {}, {}});
}

TEST_CASE("conv_channels_last: a weight that is not constant is an error that names the step") {
  GraphData graph;
  const ValueId x = add_input(graph, "x", {DType::f32, {1, 4, 4, 2}});
  const ValueId weight = add_input(graph, "weight", {DType::f32, {3, 2, 1, 1}});
  graph.outputs = add_node(graph, "conv7", ops::ConvChannelsLast{}, {x, weight});
  graph.output_names = {"y"};
  const std::vector<Shape> shapes = {{1, 4, 4, 2}, {3, 2, 1, 1}};
  CHECK_THROWS_WITH_AS(make_plan(graph, shapes), "conv7: needs a constant weight", Error);
}

}  // namespace
}  // namespace pleat
