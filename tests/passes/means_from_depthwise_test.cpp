// means_from_depthwise: which convolutions take means, and that these are what the pools gave.

#include <doctest/doctest.h>

#include "passes/pass.hpp"
#include "support/graph_tools.hpp"
#include "support/model_tools.hpp"
#include "support/random_tensor.hpp"
#include "support/run_graph.hpp"

namespace pleat {
namespace {

using test::count;

struct Network {
  Shape x = {2, 9, 8, 20};
  int64_t groups = 20, kernel = 3;
  bool expands = false, second_pool = false, is_output = true;

  GraphData graph() const {
    GraphData made;
    const ValueId image = add_input(made, "x", {DType::f32, x});
    const auto weight = [&](const char* name, const Shape& shape) {
      return add_constant(made, name, test::random_tensor(shape, 7));
    };
    const int64_t channels = expands ? 3 * x[3] : x[3];
    const ValueId filter = weight("filter", {channels, expands ? 1 : x[3] / groups, kernel, kernel});
    const ops::Window window = {
        {kernel, kernel}, {1, 1}, {1, 1}, {kernel / 2, kernel / 2}, {kernel / 2, kernel / 2}};
    ValueId y = kAbsent;
    if (expands) {
      ops::ExpandDepthwiseChannelsLast conv{{}, window, {Activation::silu}};
      y = add_node(made, "conv", conv,
                   {image, weight("expand", {channels, x[3], 1, 1}), kAbsent, filter, kAbsent})[0];
    } else {
      ops::ConvChannelsLast conv{window, groups, {Activation::silu}};
      y = add_node(made, "conv", conv, {image, filter})[0];
    }
    made.outputs = add_node(made, "pool", ops::GlobalAvgPoolChannelsLast{}, {y});
    if (second_pool)
      made.outputs.push_back(add_node(made, "pool2", ops::GlobalAvgPoolChannelsLast{}, {y})[0]);
    if (is_output) made.outputs.push_back(y);
    made.output_names.resize(made.outputs.size());
    return made;
  }
};

void check(const Network& network, bool takes) {
  const GraphData before = network.graph();
  GraphData after = before;
  PassContext context;
  run_passes(after, {&kMeansFromDepthwise, 1}, context);
  verify(after, "the test");
  CHECK(count<ops::GlobalAvgPoolChannelsLast>(after) ==
        (takes ? 0 : count<ops::GlobalAvgPoolChannelsLast>(before)));
  const std::vector<Tensor> inputs = {test::random_tensor(network.x, 3)};
  const std::vector<Tensor> expected = test::run_graph(before, inputs), got = test::run_graph(after, inputs);
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    REQUIRE(got[i].shape() == expected[i].shape());
    CHECK(test::relative_error(got[i], expected[i]) < 1e-6);
  }
}

TEST_CASE("means_from_depthwise: of depthwise convolutions, whatever tasks they are cut into") {
  check({}, true);
  check({.second_pool = true, .is_output = false}, true);
  check({.x = {3, 40, 37, 70}, .groups = 70, .kernel = 5}, true);
  check({.x = {1, 130, 3, 300}, .groups = 300}, true);
  check({.x = {0, 9, 8, 20}}, true);
}

TEST_CASE("means_from_depthwise: where a convolution of single pixels is part of the step") {
  check({.expands = true}, true);
  check({.x = {1, 60, 64, 16}, .kernel = 5, .expands = true}, true);
  check({.x = {2, 7, 7, 96}, .expands = true, .second_pool = true}, true);
}

TEST_CASE("means_from_depthwise: not of other convolutions, whose means are an error") {
  check({.groups = 1}, false);
  check({.groups = 4}, false);
  GraphData graph = Network{.groups = 4}.graph();
  for (Node& node : graph.nodes) {
    if (auto* conv = std::get_if<ops::ConvChannelsLast>(&node.attributes)) conv->means = true;
  }
  CHECK_THROWS_WITH_AS(infer_all(graph), doctest::Contains("only a depthwise one gives means"), Error);
}

}  // namespace
}  // namespace pleat
