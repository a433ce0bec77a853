// order_channels: where every reader can take gathered channels in any order, they are copied as they lie.

#include <doctest/doctest.h>

#include "passes/pass.hpp"
#include "support/graph_tools.hpp"
#include "support/model_tools.hpp"
#include "support/run_graph.hpp"

namespace pleat {
namespace {

using test::random_tensor;

constexpr int64_t kHalf = 5, kChannels = 2 * kHalf;

class Builder {
 public:
  // The channels of two images in turn.
  ValueId zipped() {
    const ValueId a = input("a"), b = input("b");
    return add(ops::GatherChannels{kChannels, {{0, 0, 0, kHalf, 2}, {1, 0, 1, kHalf, 2}}}, {a, b});
  }
  ValueId conv(ValueId x, int64_t outputs, int64_t kernel, int64_t groups, ValueId residual = kAbsent) {
    const int64_t inputs = graph.value(x).type.shape[3];
    ops::ConvChannelsLast op;
    op.window = window(kernel);
    op.groups = groups;
    op.epilogue.activation = Activation::relu;
    return add(op, {x, constant({outputs, inputs / groups, kernel, kernel}), constant({outputs}), residual});
  }
  ValueId expand_depthwise(ValueId x, int64_t outputs) {
    const int64_t inputs = graph.value(x).type.shape[3];
    ops::ExpandDepthwiseChannelsLast op;
    op.window = window(3);
    return add(op, {x, constant({outputs, inputs, 1, 1}), constant({outputs}), constant({outputs, 1, 3, 3}),
                    kAbsent});
  }
  ValueId add(const ops::Attributes& op, const std::vector<ValueId>& inputs) {
    return add_node(graph, "n" + std::to_string(graph.nodes.size()), op, inputs)[0];
  }
  ValueId input(const char* name, int64_t channels = kHalf) {
    return add_input(graph, name, {DType::f32, {2, 6, 5, channels}});
  }
  ValueId weight_of(ValueId y) const { return graph.node(graph.value(y).producer).inputs[1]; }
  GraphData finish(const std::vector<ValueId>& outputs) {
    graph.outputs = outputs;
    graph.output_names.resize(outputs.size());
    return graph;
  }

 private:
  static ops::Window window(int64_t kernel) {
    const int64_t pad = kernel / 2;
    return {.kernel = {kernel, kernel}, .pad_begin = {pad, pad}, .pad_end = {pad, pad}};
  }
  ValueId constant(const Shape& shape) { return add_constant(graph, "c", random_tensor(shape, ++seed_)); }

  GraphData graph;
  uint64_t seed_ = 20;
};

// Of zipped(): first what lies in a, then what lies in b.
bool is_side_by_side(const std::vector<ops::ChannelRun>& runs) {
  const auto is = [](const ops::ChannelRun& run, int64_t input) {
    return run.input == input && run.from == 0 && run.to == input * kHalf && run.count == kHalf &&
           run.step == 1;
  };
  return runs.size() == 2 && is(runs[0], 0) && is(runs[1], 1);
}

// Whether the gathers copy side by side, once the pass has run; the results are what they were.
bool ordered(const GraphData& before) {
  std::vector<Tensor> inputs;
  for (const ValueId input : before.inputs) {
    inputs.push_back(random_tensor(before.value(input).type.shape, 3 + inputs.size()));
  }
  GraphData after = before;
  PassContext context;
  run_passes(after, {&kOrderChannels, 1}, context);
  const std::vector<Tensor> expected = test::run_graph(before, inputs), got = test::run_graph(after, inputs);
  for (size_t i = 0; i < expected.size(); ++i) CHECK(test::relative_error(got[i], expected[i]) < 1e-6);
  bool all = true;
  for (const Node& node : after.nodes) {
    const auto* gather = std::get_if<ops::GatherChannels>(&node.attributes);
    if (gather == nullptr) continue;
    all = all && is_side_by_side(gather->runs);
  }
  return all;
}

TEST_CASE("order_channels: convolutions of all channels, alone and before a depthwise one") {
  Builder net;
  const ValueId x = net.zipped();
  CHECK(ordered(net.finish({net.conv(x, 8, 1, 1), net.conv(x, 7, 3, 1), net.expand_depthwise(x, 12)})));
}

TEST_CASE("order_channels: a weight that another convolution has too stays as it is for that") {
  Builder net;
  const ValueId x = net.zipped(), y = net.conv(x, 8, 1, 1);
  ops::ConvChannelsLast same;
  CHECK(ordered(
      net.finish({y, net.add(same, {net.input("other", kChannels), net.weight_of(y), kAbsent, kAbsent})})));
}

TEST_CASE("order_channels: through depthwise convolutions, to those that read them") {
  Builder net;
  const ValueId x = net.zipped(), y = net.conv(net.conv(x, kChannels, 3, kChannels), kChannels, 3, kChannels);
  CHECK(ordered(net.finish({net.conv(y, 8, 1, 1), net.expand_depthwise(x, 12)})));
}

TEST_CASE("order_channels: not where one reader needs the order") {
  const auto with = [](const auto& reader) {
    Builder net;
    const ValueId x = net.zipped();
    return ordered(net.finish({net.conv(x, 8, 1, 1), reader(net, x)}));
  };
  CHECK_FALSE(with([](Builder&, ValueId x) { return x; }));
  CHECK_FALSE(with([](Builder& net, ValueId x) { return net.add(ops::Activate{}, {x}); }));
  CHECK_FALSE(with([](Builder& net, ValueId x) { return net.conv(x, kChannels, 1, 2); }));
  CHECK_FALSE(with([](Builder& net, ValueId x) { return net.conv(x, kChannels, 3, kChannels); }));
  CHECK_FALSE(with([](Builder& net, ValueId x) { return net.conv(x, 2 * kChannels, 3, kChannels); }));
  CHECK_FALSE(with([](Builder& net, ValueId x) {
    return net.conv(net.conv(x, kChannels, 3, kChannels, net.input("r", kChannels)), 8, 1, 1);
  }));
  CHECK_FALSE(with([](Builder& net, ValueId x) { return net.conv(x, kChannels, 1, 1, x); }));
}

}  // namespace
}  // namespace pleat
