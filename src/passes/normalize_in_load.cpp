// normalize_in_load: what BatchNorm gives need not be written where convolutions can make it as they read.
//   Before: y, saved = batch_norm(x),  conv(y),  conv_input_gradient(y's shape),  conv_weight_gradient(y)
//   After:  saved = batch_norm(x),  conv(x, saved),  conv_input_gradient(x's shape),
//           conv_weight_gradient(x, saved): each normalizes x with the same bits
// Only for channels-last convolutions of a single pixel, or of a channel each: windows that meet again in the
// next row are normalized once.

#include <algorithm>

#include "graph/edit.hpp"
#include "ops/channels_last/can_normalize.hpp"
#include "passes/pass.hpp"

namespace pleat {
namespace {

constexpr size_t kX = 0, kBatchNormResidual = 6;

// Whether the node could read x instead of y.
bool can_read_raw(const GraphData& graph, const Node& node, ValueId y) {
  const auto once_at = [&](size_t place) {
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if ((node.inputs[i] == y) != (i == place)) return false;
    }
    return true;
  };
  const auto window_can = [&](const auto& conv, ValueId weight) {
    return can_normalize(conv.window, conv.groups, graph.value(weight).type.shape);
  };
  if (const auto* conv = std::get_if<ops::ConvChannelsLast>(&node.attributes)) {
    return conv->trains && !conv->planar && once_at(kX) && window_can(*conv, node.inputs[1]);
  }
  if (const auto* weights = std::get_if<ops::ConvChannelsLastWeightGradient>(&node.attributes)) {
    return once_at(kX) && window_can(*weights, node.inputs[2]);
  }
  return std::holds_alternative<ops::ConvChannelsLastInputGradient>(node.attributes) && once_at(2);
}

void read_raw(Node& node, ValueId y, ValueId x, ValueId saved, Activation activation) {
  std::replace(node.inputs.begin(), node.inputs.end(), y, x);
  const auto normalize = [&](auto& conv, size_t place) {
    conv.normalizes = activation;
    node.inputs.resize(place, kAbsent);
    node.inputs.push_back(saved);
  };
  if (auto* conv = std::get_if<ops::ConvChannelsLast>(&node.attributes)) normalize(*conv, 4);
  if (auto* weights = std::get_if<ops::ConvChannelsLastWeightGradient>(&node.attributes)) {
    normalize(*weights, 3);
  }
}

void run(GraphData& graph, PassContext&) {
  for (Node& node : graph.nodes) {
    auto* batch_norm = std::get_if<ops::BatchNorm>(&node.attributes);
    if (batch_norm == nullptr || is_bypassed(node) || !batch_norm->channels_last ||
        batch_norm->virtual_batch_size > 0 || input_of(node, kBatchNormResidual) != kAbsent) {
      continue;
    }
    const ValueId x = node.inputs[kX], y = node.outputs[0], saved = node.outputs[1];
    const std::vector<NodeId> readers = users(graph, y);
    const auto can = [&](NodeId reader) { return can_read_raw(graph, graph.node(reader), y); };
    if (readers.empty() || is_output(graph, y) || !std::all_of(readers.begin(), readers.end(), can)) continue;
    for (const NodeId reader : readers) {
      read_raw(graph.node(reader), y, x, saved, batch_norm->activation);
    }
    batch_norm->saves_only = true;
    node.outputs = {saved};
  }
}

}  // namespace

const Pass kNormalizeInLoad = {"normalize_in_load", run};

}  // namespace pleat
