// training_mode / inference_mode: each node is told how it behaves.
//   Before: batch_norm and dropout as the user added them
//   After (training): batch_norm uses the batch's statistics unless frozen; dropout draws unless frozen
//   After (inference): running statistics where there are any; dropout gone; parameters and states are
//   constants

#include "base/random.hpp"
#include "graph/edit.hpp"
#include "passes/pass.hpp"

namespace pleat {
namespace {

bool has_running_statistics(const Node& node) {
  return node.inputs[3] != kAbsent;
}

void training_mode(GraphData& graph, PassContext& context) {
  for (Node& node : graph.nodes) {
    if (auto* batch_norm = std::get_if<ops::BatchNorm>(&node.attributes)) {
      batch_norm->batch_statistics = !batch_norm->frozen || !has_running_statistics(node);
    } else if (auto* dropout = std::get_if<ops::Dropout>(&node.attributes)) {
      dropout->training = !dropout->frozen;
      dropout->seed = Random::mix(context.seed, dropout->seed);
    }
  }
  infer_all(graph);
}

void inference_mode(GraphData& graph, PassContext&) {
  for (ValueInfo& value : graph.values) {
    if (value.kind == ValueKind::parameter || value.kind == ValueKind::state)
      value.kind = ValueKind::constant;
  }
  for (Node& node : graph.nodes) {
    if (auto* batch_norm = std::get_if<ops::BatchNorm>(&node.attributes)) {
      batch_norm->batch_statistics = !has_running_statistics(node);
      batch_norm->virtual_batch_size = 0;  // training's alone, for layers that always use the batch too
    } else if (std::holds_alternative<ops::Dropout>(node.attributes)) {
      bypass(graph, node, node.inputs[0]);
    }
  }
  tidy(graph);
  infer_all(graph);
}

}  // namespace

const Pass kTrainingMode = {"training_mode", training_mode};
const Pass kInferenceMode = {"inference_mode", inference_mode};

}  // namespace pleat
