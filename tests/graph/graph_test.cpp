#include "pleat/graph.hpp"

#include <doctest/doctest.h>

#include "graph/edit.hpp"

namespace pleat {
namespace {

Graph small_graph() {
  Graph graph;
  Value x = graph.input("x", {kDynamic, 3, 8, 8});
  x = graph.add("conv", Conv2d{.in_channels = 3, .out_channels = 4, .kernel_size = 3}, {x});
  x = graph.add("bn", BatchNorm2d{4}, {x});
  graph.output("y", graph.add(ReLU{}, {x}));
  return graph;
}

TEST_CASE("graph: shapes follow the layers, the batch stays dynamic") {
  const Graph graph = small_graph();
  CHECK(graph.shape(graph.outputs()[0]) == Shape{kDynamic, 4, 6, 6});
  CHECK(graph.name(graph.inputs()[0]) == "x");
  CHECK(graph.name(graph.outputs()[0]) == "y");
}

TEST_CASE("graph: parameters and statistics have PyTorch's names and order") {
  const Graph graph = small_graph();
  std::vector<std::string> names;
  for (const ValueInfo& value : graph.ir().values) {
    if (value.kind == ValueKind::parameter || value.kind == ValueKind::state) names.push_back(value.name);
  }
  CHECK(names == std::vector<std::string>{"conv.weight", "conv.bias", "bn.weight", "bn.bias",
                                          "bn.running_mean", "bn.running_var", "bn.num_batches_tracked"});
}

TEST_CASE("graph: what does not fit is an Error that names the layer, and leaves the graph as it was") {
  Graph graph = small_graph();
  const size_t values = graph.ir().values.size();
  const Value x = graph.inputs()[0];
  CHECK_THROWS_WITH_AS(graph.add("fc", Linear{64, 10}, {x}), doctest::Contains("fc: "), Error);
  CHECK_THROWS_WITH_AS(graph.add("bn2", BatchNorm2d{5}, {x}), doctest::Contains("5 channels"), Error);
  CHECK_THROWS_WITH_AS(graph.add("bn3", BatchNorm1d{3}, {x}), doctest::Contains("bn3: "), Error);
  CHECK_THROWS_WITH_AS(
      graph.add("conv2", Conv2d{.in_channels = 3, .out_channels = 4, .kernel_size = 3, .groups = 2}, {x}),
      doctest::Contains("groups"), Error);
  CHECK_THROWS_WITH_AS(graph.add("sum", Add{}, {x}), doctest::Contains("needs 2 input"), Error);
  CHECK_THROWS_WITH_AS(graph.add("drop", Dropout{1.5}, {x}), doctest::Contains("[0, 1]"), Error);
  CHECK_THROWS_WITH_AS(graph.add("conv", ReLU{}, {x}), doctest::Contains("taken"), Error);
  CHECK_THROWS_WITH_AS(graph.add("r", ReLU{}, {Value{}}), doctest::Contains("not a value"), Error);
  CHECK(graph.ir().values.size() == values);
  verify(graph.ir(), "errors");
}

TEST_CASE("graph: a copy is its own structure") {
  const Graph graph = small_graph();
  Graph copy = graph;
  copy.add("more", ReLU{}, {copy.outputs()[0]});
  CHECK(copy.ir().nodes.size() == graph.ir().nodes.size() + 1);
}

TEST_CASE("graph: printed, each node has a line") {
  const std::string text = small_graph().str();
  CHECK(text.find("conv = conv(x, conv.weight, conv.bias, -) (N, 4, 6, 6)\n") != std::string::npos);
  CHECK(text.find("output ") != std::string::npos);
}

TEST_CASE("tidy: removes what nobody reads, and sorts") {
  GraphData graph;
  const ValueId x = add_input(graph, "x", {DType::f32, {2, 3}});
  const ValueId unused = add_node(graph, "unused", ops::Activate{}, {x})[0];
  const ValueId a = add_node(graph, "a", ops::Activate{}, {x})[0];
  const ValueId b = add_node(graph, "b", ops::Activate{.activation = Activation::tanh}, {x})[0];
  graph.outputs = {a};
  graph.output_names = {"y"};
  graph.node(graph.value(a).producer).inputs[0] = b;  // a now reads what is made after it
  tidy(graph);
  REQUIRE(graph.nodes.size() == 2);
  CHECK(graph.nodes[0].name == "b");
  CHECK(graph.nodes[1].name == "a");
  CHECK(graph.value(unused).producer == -1);
  verify(graph, "tidy");
}

TEST_CASE("verify: finds what is broken") {
  GraphData graph;
  const ValueId x = add_input(graph, "x", {DType::f32, {2, 3}});
  const ValueId y = add_node(graph, "a", ops::Activate{}, {x})[0];
  graph.outputs = {y};
  graph.output_names = {"y"};
  verify(graph, "building");
  GraphData wrong_type = graph;
  wrong_type.value(y).type.shape = {2, 4};
  CHECK_THROWS_WITH_AS(verify(wrong_type, "test"), doctest::Contains("recorded as (2, 4)"), Error);
  GraphData cycle = graph;
  cycle.nodes[0].inputs[0] = y;
  CHECK_THROWS_WITH_AS(verify(cycle, "test"), doctest::Contains("before it is made"), Error);
  CHECK_THROWS_AS(tidy(cycle), Error);
}

}  // namespace
}  // namespace pleat
