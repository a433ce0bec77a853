// gather_channels: channels that are moved several times are moved once, and those moved once stay as they
// are.

#include <doctest/doctest.h>

#include "passes/pass.hpp"
#include "support/graph_tools.hpp"
#include "support/model_tools.hpp"
#include "support/run_graph.hpp"

namespace pleat {
namespace {

using test::count;

constexpr int64_t kHalf = 6;

class Builder {
 public:
  ValueId input(const char* name, int64_t channels = kHalf, int64_t batch = 2) {
    return add_input(graph, name, {DType::f32, {batch, 3, 4, channels}});
  }
  ValueId add(const ops::Attributes& op, const std::vector<ValueId>& inputs) {
    return add_node(graph, "n" + std::to_string(graph.nodes.size()), op, inputs)[0];
  }
  ValueId concat(ValueId a, ValueId b) { return add(ops::Concat{3}, {a, b}); }
  // What a read of the value by a step that computes is.
  ValueId compute(ValueId x) { return add(ops::Activate{Activation::sigmoid}, {x}); }
  ValueId reshape(ValueId x, const std::vector<int64_t>& shape) {
    return add(ops::Reshape{}, {x, list(shape)});
  }
  ValueId shuffle(ValueId x, int64_t groups) {
    const int64_t channels = graph.value(x).type.shape[3];
    const ValueId parts = reshape(x, {0, 0, 0, groups, channels / groups});
    return reshape(add(ops::Transpose{{0, 1, 2, 4, 3}}, {parts}), {0, 0, 0, channels});
  }
  ValueId slice(ValueId x, int64_t start, int64_t end, int64_t step = 1) {
    return add(ops::StridedSlice{}, {x, list({start}), list({end}), list({-1}), list({step})});
  }
  GraphData finish(const std::vector<ValueId>& outputs) {
    graph.outputs = outputs;
    graph.output_names.resize(outputs.size());
    return graph;
  }

 private:
  ValueId list(const std::vector<int64_t>& values) { return test::add_integers(graph, "list", values); }
  GraphData graph;
};

int moving(const GraphData& graph) {
  return count<ops::Concat>(graph) + count<ops::Transpose>(graph) + count<ops::StridedSlice>(graph) +
         count<ops::Slice>(graph) + count<ops::Split>(graph);
}

GraphData gathered(const GraphData& before) {
  std::vector<Tensor> inputs;
  for (const ValueId input : before.inputs) {
    inputs.push_back(test::random_tensor(before.value(input).type.shape, 3 + inputs.size()));
  }
  GraphData after = before;
  PassContext context;
  run_passes(after, {&kGatherChannels, 1}, context);
  const std::vector<Tensor> expected = test::run_graph(before, inputs), got = test::run_graph(after, inputs);
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    CHECK(got[i].shape() == expected[i].shape());
    CHECK(test::relative_error(got[i], expected[i]) == 0);
  }
  return after;
}

TEST_CASE("gather_channels: halves of a shuffled concat are read from its inputs") {
  Builder net;
  const ValueId shuffled = net.shuffle(net.concat(net.input("a"), net.input("b")), 2);
  const GraphData after = gathered(net.finish(
      {net.compute(net.slice(shuffled, 0, kHalf)), net.compute(net.slice(shuffled, -kHalf, 1000))}));
  CHECK(count<ops::GatherChannels>(after) == 2);
  CHECK(moving(after) == 0);
  for (const Node& node : after.nodes) {
    const auto* gather = std::get_if<ops::GatherChannels>(&node.attributes);
    if (gather == nullptr) continue;
    CHECK(gather->runs.size() == 2);
    for (const ops::ChannelRun& run : gather->runs) CHECK(run.step == 2);
  }
}

TEST_CASE("gather_channels: units in a row skip what only passes through") {
  Builder net;
  ValueId image = net.shuffle(net.concat(net.input("a"), net.input("b")), 2);
  for (int unit = 0; unit < 3; ++unit) {
    const ValueId passed = net.slice(image, 0, kHalf),
                  computed = net.compute(net.slice(image, kHalf, 2 * kHalf));
    image = net.shuffle(net.concat(passed, computed), 2);
  }
  const GraphData after = gathered(net.finish({net.compute(image), image}));
  CHECK(moving(after) == 0);
  CHECK(count<ops::GatherChannels>(after) == 4);  // one for each unit's half, one for the end
}

TEST_CASE("gather_channels: groups, steps, slices, splits and concats of concats") {
  Builder net;
  const ValueId a = net.input("a", 12), b = net.input("b");
  const ValueId joined = net.concat(net.concat(a, b), a);
  const ValueId threes = net.slice(net.shuffle(a, 3), 1, 12, 3);
  const ValueId cut = net.add(ops::Slice{3, 2, 9}, {net.shuffle(a, 4)});
  const ValueId part = net.add(ops::Split{3, 4}, {net.shuffle(a, 2)});
  const GraphData after =
      gathered(net.finish({net.compute(joined), net.compute(threes), net.compute(cut), net.compute(part)}));
  CHECK(count<ops::GatherChannels>(after) == 4);
  CHECK(moving(after) == 0);
}

TEST_CASE("gather_channels: what is moved once, or in other ways, stays") {
  Builder net;
  const ValueId a = net.input("a", 12), b = net.input("b");
  const ValueId rows = net.add(ops::Concat{1}, {a, a});
  const ValueId flipped = net.slice(net.shuffle(a, 2), 11, -13, -1);
  const ValueId narrow = net.reshape(net.concat(a, a), {0, 0, 8, 12});
  const GraphData after =
      gathered(net.finish({net.compute(net.concat(a, b)), net.compute(net.slice(a, 3, 7)),
                           net.compute(net.slice(rows, 1, 5)), net.compute(narrow), net.compute(flipped)}));
  // Only the shuffle before the flip might have been one; it is moved once.
  CHECK(count<ops::GatherChannels>(after) == 0);
}

TEST_CASE("gather_channels: a view that has channels of several items side by side stays") {
  Builder net;
  const ValueId a = net.input("a", 12, kDynamic);
  const ValueId joined = net.concat(net.concat(a, a), net.concat(a, a));
  const GraphData graph = net.finish({net.compute(net.slice(net.reshape(joined, {-1, 3, 4, 6}), 1, 3))});
  const Tensor x = test::random_tensor({2, 3, 4, 12}, 1);
  GraphData after = graph;
  PassContext context;
  run_passes(after, {&kGatherChannels, 1}, context);
  CHECK(test::relative_error(test::run_graph(after, {x})[0], test::run_graph(graph, {x})[0]) == 0);
}

}  // namespace
}  // namespace pleat
