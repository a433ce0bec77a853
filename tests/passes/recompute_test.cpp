// recompute: which normalized values are made again, and that none of them is read by a backward node any
// more.

#include <doctest/doctest.h>

#include <algorithm>

#include "passes/recompute.hpp"
#include "pleat/layers.hpp"
#include "support/graph_tools.hpp"
#include "support/trained_graph.hpp"

namespace pleat {
namespace {

// Three convolutions with BatchNorm and ReLU, the last two with a residual.
Graph residual_blocks() {
  Graph graph;
  const auto block = [&](const std::string& number, Value x, bool residual) {
    Value y = graph.add(
        "bn" + number, BatchNorm2d{4},
        {graph.add("conv" + number,
                   Conv2d{.in_channels = 4, .out_channels = 4, .kernel_size = 3, .padding = 1}, {x})});
    if (residual) y = graph.add(Add{}, {y, x});
    return graph.add(ReLU{}, {y});
  };
  const Value x = graph.input("x", {kDynamic, 4, 6, 6});
  const Value first = block("1", x, false);
  const Value second = block("2", first, true);
  const Value third = block("3", second, true);
  graph.output("y", graph.add("conv4", Conv2d{4, 2, 3}, {third}));
  return graph;
}

std::vector<std::string> made_again(const GraphData& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) {
    if (std::holds_alternative<ops::BatchNormRecompute>(node.attributes)) names.push_back(node.name);
  }
  std::ranges::sort(names);
  return names;
}

TEST_CASE("recompute: what is made of kept values is made again, a sum with what is not is kept") {
  test::TrainedGraph trained(residual_blocks());
  const auto backward = [](const Node& node) { return node.name.find("gradient") != std::string::npos; };
  recompute(trained.graph, trained.first_backward);
  verify(trained.graph, "the test");
  CHECK(made_again(trained.graph) == std::vector<std::string>{"bn1.recompute", "bn3.recompute"});
  for (const Node& node : trained.graph.nodes) {
    if (!std::holds_alternative<ops::BatchNorm>(node.attributes)) continue;
    CAPTURE(node.name);
    const std::vector<NodeId> readers = users(trained.graph, node.outputs[0]);
    const bool kept =
        std::ranges::any_of(readers, [&](NodeId id) { return backward(trained.graph.node(id)); });
    CHECK(kept == (node.name == "bn2"));
  }
}

TEST_CASE("recompute: nothing is made again that nobody reads, or that is an output") {
  Graph graph;
  const Value x = graph.input("x", {kDynamic, 3});
  const Value normal = graph.add("bn", BatchNorm1d{3}, {graph.add("fc", Linear{3, 3}, {x})});
  graph.output("y", normal);
  test::TrainedGraph trained(graph);
  recompute(trained.graph, trained.first_backward);
  CHECK(made_again(trained.graph).empty());
}

}  // namespace
}  // namespace pleat
