// cancelled_biases: a bias that the batch's mean takes away again has no gradient.
//   Before: dx = batch_norm_gradient(...) by batch statistics, dbias = bias_gradient(dx)
//   After:  dbias = 0
// sum dx over a channel is zero: batch_norm_gradient subtracts the means. What remains is rounding.

#include "graph/edit.hpp"
#include "passes/pass.hpp"

namespace pleat {
namespace {

// One value a channel may be normalized by running statistics, whose gradient is that of a constant factor.
bool has_batch_statistics(const GraphData& graph, ValueId saved) {
  const Node& forward = graph.node(graph.value(saved).producer);
  return std::get<ops::BatchNorm>(forward.attributes).single_value == SingleValue::error;
}

bool sums_to_zero(const GraphData& graph, ValueId value) {
  const NodeId producer = graph.value(value).producer;
  if (producer < 0) return false;
  const Node& node = graph.node(producer);
  const auto* gradient = std::get_if<ops::BatchNormGradient>(&node.attributes);
  return gradient != nullptr && gradient->batch_statistics && gradient->wants_input &&
         node.outputs[0] == value && has_batch_statistics(graph, node.inputs[2]);
}

// The dimension of dx's channels.
int64_t channel_dim(const GraphData& graph, ValueId dx) {
  const Node& node = graph.node(graph.value(dx).producer);
  const int rank = graph.value(dx).type.shape.rank();
  return std::get<ops::BatchNormGradient>(node.attributes).channels_last ? rank - 1 : 1;
}

void run(GraphData& graph, PassContext&) {
  for (Node& node : graph.nodes) {
    const auto* bias = std::get_if<ops::BiasGradient>(&node.attributes);
    if (bias == nullptr || is_bypassed(node)) continue;
    const ValueId dx = node.inputs[0];
    if (!sums_to_zero(graph, dx) || bias->dim != channel_dim(graph, dx)) continue;
    const ValueType type = graph.value(node.outputs[0]).type;
    bypass(graph, node, add_constant(graph, node.name + ".zero", Tensor(type.shape, type.dtype)));
  }
}

}  // namespace

const Pass kCancelledBiases = {"cancelled_biases", run};

}  // namespace pleat
