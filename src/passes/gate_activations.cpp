// gate_activations: a value that is multiplied by a bounded function of itself is one activation.
//   Before: y = mul(x, sigmoid(x))    After: y = silu(x) = x / (1 + e^-x)
//   Before: y = mul(x, hard_sigmoid(x)), of slope 1/6 and offset 1/2    After: y = hardswish(x)

#include "graph/edit.hpp"
#include "passes/pass.hpp"

namespace pleat {
namespace {

bool is_float(double value, double expected) {
  return static_cast<float>(value) == static_cast<float>(expected);
}

// What x times `gate` is, where the gate is computed from x.
Activation gated(const GraphData& graph, ValueId x, ValueId gate) {
  const NodeId producer = gate == kAbsent ? -1 : graph.value(gate).producer;
  if (producer < 0 || graph.node(producer).inputs.empty() || graph.node(producer).inputs[0] != x) {
    return Activation::none;
  }
  const ops::Attributes& attributes = graph.node(producer).attributes;
  if (const auto* activate = std::get_if<ops::Activate>(&attributes)) {
    return activate->activation == Activation::sigmoid ? Activation::silu : Activation::none;
  }
  const auto* unary = std::get_if<ops::Unary>(&attributes);
  const bool hard = unary != nullptr && unary->kind == ops::UnaryKind::hard_sigmoid &&
                    is_float(unary->alpha, 1.0 / 6) && is_float(unary->beta, 0.5);
  return hard ? Activation::hardswish : Activation::none;
}

void run(GraphData& graph, PassContext&) {
  for (Node& node : graph.nodes) {
    const auto* binary = std::get_if<ops::Binary>(&node.attributes);
    if (binary == nullptr || binary->kind != ops::BinaryKind::mul || is_bypassed(node)) continue;
    for (const size_t side : {size_t{0}, size_t{1}}) {
      const ValueId x = node.inputs[side];
      const Activation activation = gated(graph, x, node.inputs[1 - side]);
      if (activation == Activation::none) continue;
      node.attributes = ops::Activate{activation};
      node.inputs = {x};
      break;
    }
  }
  tidy(graph);
}

}  // namespace

const Pass kGateActivations = {"gate_activations", run};

}  // namespace pleat
