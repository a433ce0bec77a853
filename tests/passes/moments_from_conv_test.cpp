// moments_from_conv: which convolutions take statistics, and that gradients are what they were.

#include <doctest/doctest.h>

#include <cmath>

#include "passes/pass.hpp"
#include "pleat/layers.hpp"
#include "support/random_tensor.hpp"
#include "support/run_graph.hpp"
#include "support/trained_graph.hpp"

namespace pleat {
namespace {

// Normalized: a convolution, one that others read too, a sum, and one with a virtual batch size.
Graph network() {
  Graph graph;
  const Conv2d same{.in_channels = 6, .out_channels = 6, .kernel_size = 3, .padding = 1};
  const Value x = graph.input("x", {kDynamic, 6, 9, 8});
  const Value a = graph.add("conv1", same, {x});
  const Value b = graph.add("conv2", same, {graph.add(ReLU{}, {graph.add("bn1", BatchNorm2d{6}, {a})})});
  const Value c = graph.add("bn2", BatchNorm2d{6}, {b});
  const Value d = graph.add("bn3", BatchNorm2d{6}, {graph.add(Add{}, {b, c})});
  const Value e = graph.add("conv4", same, {d});
  graph.output("y", graph.add("bn4", BatchNorm2d{.num_features = 6, .virtual_batch_size = 2}, {e}));
  return graph;
}

std::vector<std::string> given_moments(const GraphData& graph) {
  std::vector<std::string> names;
  for (const Node& node : graph.nodes) {
    if (std::holds_alternative<ops::BatchNorm>(node.attributes) && input_of(node, 7) != kAbsent) {
      names.push_back(node.name);
    }
  }
  return names;
}

TEST_CASE("moments_from_conv: where the whole batch of a convolution's results is normalized") {
  test::TrainedGraph trained(network());
  const std::vector<Tensor> inputs = {test::random_tensor({4, 6, 9, 8}, 3)};
  REQUIRE(trained.graph.inputs.size() == 1);
  const std::vector<Tensor> before = test::run_graph(trained.graph, inputs);
  PassContext context;
  run_passes(trained.graph, {&kMomentsFromConv, 1}, context);
  verify(trained.graph, "the test");
  CHECK(given_moments(trained.graph) == std::vector<std::string>{"bn1", "bn2"});
  const std::vector<Tensor> after = test::run_graph(trained.graph, inputs);
  REQUIRE(after.size() == before.size());
  for (size_t i = 0; i < after.size(); ++i) {
    double most = 1, apart = 0;
    for (int64_t j = 0; j < after[i].numel(); ++j) {
      const auto a = static_cast<double>(after[i].data<float>()[j]);
      const auto b = static_cast<double>(before[i].data<float>()[j]);
      most = std::max(most, std::abs(b));
      apart = std::max(apart, std::abs(a - b));
    }
    CHECK(apart <= 1e-5 * most);
  }
}

}  // namespace
}  // namespace pleat
