#include "passes/pipeline.hpp"

#include <algorithm>

namespace pleat {
namespace {

// Passes write the report's entries as they find affines; people read them in the order of the network.
void sort_report(const GraphData& graph, FoldReport& report) {
  const auto place = [&](const FoldEntry& entry) {
    return std::find_if(graph.nodes.begin(), graph.nodes.end(),
                        [&](const Node& node) { return node.name == entry.layer; });
  };
  std::stable_sort(report.entries.begin(), report.entries.end(),
                   [&](const FoldEntry& a, const FoldEntry& b) { return place(a) < place(b); });
}

}  // namespace

GraphData training_graph(const GraphData& graph, PassContext& context) {
  static constexpr const Pass* passes[] = {&kTrainingMode, &kFuseBatchNormTraining, &kChooseTrainingLayout};
  GraphData copy = graph;
  for (const Pass* pass : passes) run_passes(copy, {pass, 1}, context);
  return copy;
}

GraphData folded_graph(const GraphData& graph, PassContext& context) {
  // A sum that became one convolution can take what follows it: hence fold_backward once more.
  static constexpr const Pass* passes[] = {
      &kInferenceMode, &kCopiedSizes,           &kFoldConstants,   &kMatmulToLinear, &kConstantAffines,
      &kEqualSums,     &kBatchNormToScaleShift, &kMergeScaleShift, &kFoldBackward,   &kMergeBranches,
      &kFoldBackward,  &kAddScaleShifts,        &kFoldForward,     &kRoundConstants, &kRoundScaleShift};
  GraphData copy = graph;
  for (const Pass* pass : passes) run_passes(copy, {pass, 1}, context);
  sort_report(graph, context.report);
  return copy;
}

GraphData inference_graph(const GraphData& graph, bool fold, PassContext& context) {
  if (fold) {
    GraphData folded = folded_graph(graph, context);
    for (const Pass* pass : {&kGateActivations, &kFuseEpilogue, &kChooseLayout, &kGatherChannels,
                             &kOrderChannels, &kGateInConv, &kMeansFromDepthwise})
      run_passes(folded, {pass, 1}, context);
    return folded;
  }
  GraphData copy = graph;
  run_passes(copy, {&kInferenceMode, 1}, context);
  return copy;
}

}  // namespace pleat
