// gate_in_conv: a gate of each channel (squeeze and excitation) goes into the weight that reads it.
//   Before: y = conv(mul(x, gate), weight)    After: y = conv(x, weight, gate)
// For convolutions of single pixels whose weight is smaller than x: a gated weight is made for each image.

#include <array>
#include <optional>

#include "graph/edit.hpp"
#include "passes/pass.hpp"

namespace pleat {
namespace {

constexpr size_t kGate = 4;

struct Gated {
  ValueId x, gate;
};

bool is_gate_of(const GraphData& graph, const Shape& gate, const Shape& x) {
  if (x.rank() != 4 || gate.rank() != 4 || gate[1] != 1 || gate[2] != 1 || gate[3] != x[3]) return false;
  // Two batches that are known only later are one where the network has one input.
  return gate[0] == 1 || (gate[0] == x[0] && (x[0] != kDynamic || graph.inputs.size() == 1));
}

std::optional<Gated> gated(const GraphData& graph, const Node& node) {
  const auto* binary = std::get_if<ops::Binary>(&node.attributes);
  if (binary == nullptr || binary->kind != ops::BinaryKind::mul) return std::nullopt;
  const ValueId a = node.inputs[0], b = node.inputs[1];
  const auto shape = [&](ValueId value) -> const Shape& { return graph.value(value).type.shape; };
  if (is_gate_of(graph, shape(b), shape(a))) return Gated{a, b};
  if (is_gate_of(graph, shape(a), shape(b))) return Gated{b, a};
  return std::nullopt;
}

bool can_take_gate(const GraphData& graph, const Node& node, ValueId x) {
  const auto* conv = std::get_if<ops::ConvChannelsLast>(&node.attributes);
  if (conv == nullptr || node.inputs[0] != x || conv->groups != 1 || conv->planar || conv->trains ||
      conv->gated || conv->window.kernel != std::array<int64_t, 2>{1, 1}) {
    return false;
  }
  const Shape &image = graph.value(x).type.shape, &weight = graph.value(node.inputs[1]).type.shape;
  return image[1] != kDynamic && image[2] != kDynamic && weight[0] <= image[1] * image[2];
}

void run(GraphData& graph, PassContext&) {
  for (Node& node : graph.nodes) {
    const std::optional<Gated> found = is_bypassed(node) ? std::nullopt : gated(graph, node);
    if (!found) continue;
    const ValueId product = node.outputs[0];
    const std::vector<NodeId> readers = users(graph, product);
    if (readers.empty() || !only_user_is(graph, product, readers[0])) continue;
    Node& reader = graph.node(readers[0]);
    if (!can_take_gate(graph, reader, product)) continue;
    std::get<ops::ConvChannelsLast>(reader.attributes).gated = true;
    reader.inputs.resize(kGate, kAbsent);
    reader.inputs.push_back(found->gate);
    bypass(graph, node, found->x);
  }
}

}  // namespace

const Pass kGateInConv = {"gate_in_conv", run};

}  // namespace pleat
