// normalize_in_load: which normalized values are made by their readers, and that gradients keep their bits.

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>

#include "passes/pass.hpp"
#include "passes/recompute.hpp"
#include "pleat/layers.hpp"
#include "support/graph_tools.hpp"
#include "support/random_tensor.hpp"
#include "support/run_graph.hpp"
#include "support/trained_graph.hpp"

namespace pleat {
namespace {

struct Network {
  Graph graph;
  Value last = graph.input("x", {kDynamic, 8, 10, 10});

  Network& conv(const Conv2d& options) {
    last = graph.add("conv" + std::to_string(++convs), options, {last});
    return *this;
  }
  Network& normal(int64_t channels, bool relu) {
    last = graph.add("bn" + std::to_string(convs), BatchNorm2d{channels}, {last});
    if (relu) last = graph.add(ReLU{}, {last});
    return *this;
  }
  Graph done() {
    graph.output("y", last);
    return std::move(graph);
  }
  int convs = 0;
};

// Expanded, depthwise, projected: as MobileNetV2's blocks, then a window of 3x3.
Graph inverted_residual() {
  Network net;
  net.conv({.in_channels = 8, .out_channels = 24, .kernel_size = 1}).normal(24, true);
  net.conv(
      {.in_channels = 24, .out_channels = 24, .kernel_size = 3, .stride = 2, .padding = 1, .groups = 24});
  net.normal(24, true).conv({.in_channels = 24, .out_channels = 8, .kernel_size = 1}).normal(8, false);
  net.conv({.in_channels = 8, .out_channels = 8, .kernel_size = 3, .padding = 1});
  return net.done();
}

std::vector<std::string> saving_only(const GraphData& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) {
    const auto* batch_norm = std::get_if<ops::BatchNorm>(&node.attributes);
    if (batch_norm != nullptr && batch_norm->saves_only) names.push_back(node.name);
  }
  return names;
}

void normalize_in_load(GraphData& graph) {
  PassContext context;
  run_passes(graph, {&kNormalizeInLoad, 1}, context);
  tidy(graph);
  verify(graph, "the test");
}

TEST_CASE("normalize_in_load: depthwise and single-pixel convolutions read what BatchNorm read") {
  test::TrainedGraph trained(inverted_residual());
  std::vector<Tensor> inputs;
  for (const ValueId input : trained.graph.inputs) {
    Shape shape = trained.graph.value(input).type.shape;
    shape[0] = 3;
    inputs.push_back(test::random_tensor(shape, 5));
  }
  const std::vector<Tensor> before = test::run_graph(trained.graph, inputs);
  normalize_in_load(trained.graph);
  CHECK(saving_only(trained.graph) == std::vector<std::string>{"bn1", "bn2"});
  recompute(trained.graph, trained.first_backward);
  verify(trained.graph, "recompute");
  CHECK(test::count<ops::BatchNormRecompute>(trained.graph) == 1);  // bn3, for the window of 3x3
  const std::vector<Tensor> after = test::run_graph(trained.graph, inputs);
  REQUIRE(after.size() == before.size());
  for (size_t i = 0; i < after.size(); ++i) {
    REQUIRE(after[i].shape() == before[i].shape());
    CHECK(std::memcmp(after[i].raw(), before[i].raw(), after[i].bytes()) == 0);
  }
}

TEST_CASE("normalize_in_load: a value that others read too, or an output, is written") {
  Network net;
  net.conv({.in_channels = 8, .out_channels = 8, .kernel_size = 1}).normal(8, true);
  const Value shared = net.last;
  net.conv({.in_channels = 8, .out_channels = 8, .kernel_size = 1}).normal(8, false);
  net.last = net.graph.add(Add{}, {net.last, shared});
  net.conv({.in_channels = 8, .out_channels = 8, .kernel_size = 1}).normal(8, false);
  test::TrainedGraph trained(net.done());
  normalize_in_load(trained.graph);
  CHECK(saving_only(trained.graph).empty());
}

}  // namespace
}  // namespace pleat
