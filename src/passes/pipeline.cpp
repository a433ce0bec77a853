#include "passes/pipeline.hpp"

namespace pleat {

GraphData training_graph(const GraphData& graph, PassContext& context) {
  static constexpr const Pass* passes[] = {&kTrainingMode, &kFuseBatchNormTraining};
  GraphData copy = graph;
  for (const Pass* pass : passes) run_passes(copy, {pass, 1}, context);
  return copy;
}

GraphData inference_graph(const GraphData& graph, bool fold, PassContext& context) {
  static constexpr const Pass* folding[] = {&kBatchNormToScaleShift, &kMergeScaleShift, &kFoldBackward,
                                            &kFuseEpilogue, &kRoundScaleShift};
  GraphData copy = graph;
  run_passes(copy, {&kInferenceMode, 1}, context);
  if (fold) {
    for (const Pass* pass : folding) run_passes(copy, {pass, 1}, context);
  }
  return copy;
}

}  // namespace pleat
