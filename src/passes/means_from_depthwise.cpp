// means_from_depthwise: a depthwise convolution takes the means of what it stores, while that is in a cache.
//   Before: y = depthwise(...),  mean = global_avg_pool(y)
//   After:  y, mean = depthwise(...)
// As squeeze and excitation has it; also where a convolution of single pixels is part of the step.

#include "graph/edit.hpp"
#include "passes/pass.hpp"

namespace pleat {
namespace {

// The attribute of a node that could give the means of its output.
bool* means_of(GraphData& graph, NodeId id) {
  if (id < 0) return nullptr;
  Node& node = graph.node(id);
  if (auto* joined = std::get_if<ops::ExpandDepthwiseChannelsLast>(&node.attributes)) return &joined->means;
  auto* conv = std::get_if<ops::ConvChannelsLast>(&node.attributes);
  if (conv == nullptr || conv->trains || conv->global_average) return nullptr;
  const Shape& weight = graph.value(node.inputs[1]).type.shape;
  return weight[0] == conv->groups && weight[1] == 1 ? &conv->means : nullptr;
}

void run(GraphData& graph, PassContext&) {
  std::vector<NodeId> pools;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (!std::holds_alternative<ops::GlobalAvgPoolChannelsLast>(node.attributes) || is_bypassed(node))
      continue;
    bool* const means = means_of(graph, graph.value(node.inputs[0]).producer);
    if (means == nullptr) continue;
    *means = true;
    pools.push_back(static_cast<NodeId>(i));
  }
  infer_all(graph);  // adds the outputs
  for (const NodeId pool : pools) {
    Node& node = graph.node(pool);
    bypass(graph, node, graph.node(graph.value(node.inputs[0]).producer).outputs[1]);
  }
}

}  // namespace

const Pass kMeansFromDepthwise = {"means_from_depthwise", run};

}  // namespace pleat
