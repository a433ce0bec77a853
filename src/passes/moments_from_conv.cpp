// moments_from_conv: a convolution takes the statistics of what it stores, while that is in a cache.
//   Before: x = conv(...),  batch_norm(x)
//   After:  x, moments = conv(...),  batch_norm(x, moments)
// Only where the whole batch shares statistics.

#include "graph/edit.hpp"
#include "passes/pass.hpp"

namespace pleat {
namespace {

constexpr size_t kX = 0, kConvResidual = 3, kMoments = 7;

// The convolution that makes the value, if what it stores is a sum of products, perhaps with a bias.
ops::ConvChannelsLast* plain_conv(GraphData& graph, ValueId value) {
  const NodeId producer = graph.value(value).producer;
  if (producer < 0) return nullptr;
  Node& node = graph.node(producer);
  auto* conv = std::get_if<ops::ConvChannelsLast>(&node.attributes);
  const bool plain = conv != nullptr && conv->trains && conv->epilogue.activation == Activation::none &&
                     !conv->global_average && input_of(node, kConvResidual) == kAbsent;
  return plain ? conv : nullptr;
}

void run(GraphData& graph, PassContext&) {
  std::vector<NodeId> readers;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    Node& node = graph.nodes[i];
    const auto* batch_norm = std::get_if<ops::BatchNorm>(&node.attributes);
    if (batch_norm == nullptr || is_bypassed(node) || !batch_norm->batch_statistics ||
        !batch_norm->channels_last || batch_norm->virtual_batch_size > 0) {
      continue;
    }
    ops::ConvChannelsLast* conv = plain_conv(graph, node.inputs[kX]);
    if (conv == nullptr) continue;
    conv->moments = true;
    readers.push_back(static_cast<NodeId>(i));
  }
  infer_all(graph);  // adds the outputs
  for (const NodeId reader : readers) {
    Node& node = graph.node(reader);
    node.inputs.resize(kMoments, kAbsent);
    node.inputs.push_back(graph.node(graph.value(node.inputs[kX]).producer).outputs[1]);
  }
}

}  // namespace

const Pass kMomentsFromConv = {"moments_from_conv", run};

}  // namespace pleat
