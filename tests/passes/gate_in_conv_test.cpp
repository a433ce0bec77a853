// gate_in_conv: which gates go into the weight behind them, and that nothing but rounding changes.

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
  Shape x = {3, 6, 5, 8}, gate = {3, 1, 1, 8};
  int64_t outputs = 12, kernel = 1;
  ops::BinaryKind kind = ops::BinaryKind::mul;
  bool gate_first = false, second_reader = false, is_output = false, second_input = true;

  GraphData graph() const {
    GraphData made;
    const ValueId image = add_input(made, "x", {DType::f32, x});
    ValueId gates = kAbsent;
    if (second_input) {
      gates = add_input(made, "gate", {DType::f32, gate});
    } else {
      gates = add_node(made, "gate", ops::GlobalAvgPoolChannelsLast{}, {image})[0];
    }
    const ValueId product = add_node(made, "mul", ops::Binary{kind},
                                     gate_first ? std::vector{gates, image} : std::vector{image, gates})[0];
    const ValueId weight =
        add_constant(made, "weight", test::random_tensor({outputs, x[3], kernel, kernel}, 7));
    ops::ConvChannelsLast conv;
    conv.window.kernel = {kernel, kernel};
    made.outputs = add_node(made, "conv", conv, {product, weight});
    if (second_reader) {
      made.outputs.push_back(add_node(made, "other", ops::Activate{Activation::relu}, {product})[0]);
    }
    if (is_output) made.outputs.push_back(product);
    made.output_names.resize(made.outputs.size());
    return made;
  }
};

GraphData gated(const GraphData& before) {
  GraphData after = before;
  PassContext context;
  run_passes(after, {&kGateInConv, 1}, context);
  return after;
}

void check(const Network& network, bool goes) {
  const GraphData before = network.graph(), after = gated(before);
  CHECK(count<ops::Binary>(after) == (goes ? 0 : 1));
  std::vector<Tensor> inputs;
  for (const ValueId input : before.inputs) {
    Shape shape = before.value(input).type.shape;
    for (int d = 0; d < shape.rank(); ++d) shape[d] = shape[d] == kDynamic ? 4 : shape[d];
    inputs.push_back(test::random_tensor(shape, 3 + inputs.size()));
  }
  const std::vector<Tensor> expected = test::run_graph(before, inputs), got = test::run_graph(after, inputs);
  REQUIRE(got[0].shape() == expected[0].shape());
  CHECK(test::relative_error(got[0], expected[0]) < 1e-5);
}

TEST_CASE("gate_in_conv: a gate of each channel goes into the weight of single pixels") {
  check({}, true);
  check({.gate_first = true}, true);
  check({.gate = {1, 1, 1, 8}}, true);
  check({.x = {kDynamic, 6, 5, 8}, .second_input = false}, true);
}

TEST_CASE("gate_in_conv: what is no gate, is read elsewhere or costs more as a weight stays") {
  check({.kind = ops::BinaryKind::add}, false);
  check({.gate = {3, 6, 1, 8}}, false);
  check({.gate = {3, 1, 1, 1}}, false);
  check({.x = {1, 6, 5, 8}}, false);                                      // the gate has more images
  check({.x = {kDynamic, 6, 5, 8}, .gate = {kDynamic, 1, 1, 8}}, false);  // perhaps too
  check({.outputs = 31}, false);
  check({.kernel = 3}, false);
  check({.second_reader = true}, false);
  check({.is_output = true}, false);
}

TEST_CASE("gate_in_conv: a gate of another shape is refused") {
  GraphData graph = gated(Network{}.graph());
  Node& conv = graph.nodes.back();
  conv.inputs[4] = conv.inputs[0];
  CHECK_THROWS_WITH_AS(infer_all(graph), doctest::Contains("needs a gate of (3, 1, 1, 8), got (3, 6, 5, 8)"),
                       Error);
}

}  // namespace
}  // namespace pleat
