#include "passes/pipeline.hpp"

namespace pleat {

GraphData training_graph(const GraphData& graph, PassContext& context) {
  static constexpr const Pass* passes[] = {&kTrainingMode, &kFuseBatchNormTraining};
  GraphData copy = graph;
  for (const Pass* pass : passes) run_passes(copy, {pass, 1}, context);
  return copy;
}

GraphData folded_graph(const GraphData& graph, PassContext& context) {
  static constexpr const Pass* passes[] = {
      &kInferenceMode,   &kFoldConstants, &kMatmulToLinear, &kConstantAffines, &kBatchNormToScaleShift,
      &kMergeScaleShift, &kFoldBackward,  &kFoldForward,    &kRoundConstants,  &kRoundScaleShift};
  GraphData copy = graph;
  for (const Pass* pass : passes) run_passes(copy, {pass, 1}, context);
  return copy;
}

GraphData inference_graph(const GraphData& graph, bool fold, PassContext& context) {
  if (fold) {
    GraphData folded = folded_graph(graph, context);
    run_passes(folded, {&kFuseEpilogue, 1}, context);
    return folded;
  }
  GraphData copy = graph;
  run_passes(copy, {&kInferenceMode, 1}, context);
  return copy;
}

}  // namespace pleat
