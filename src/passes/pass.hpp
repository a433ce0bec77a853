#pragma once

#include <chrono>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "graph/graph_data.hpp"
#include "pleat/fold.hpp"

namespace pleat {

/// What passes share while a pipeline runs.
struct PassContext {
  FoldReport report = {};
  uint64_t seed = 0;                       ///< of dropout
  std::vector<std::string> disabled = {};  ///< passes to leave out, by name
  /// Batch norms and affines that must stay steps of their own, by layer name.
  std::vector<std::string> keep = {};
  bool precise = false;  ///< see ModelOptions

  struct Timing {
    std::string_view pass;
    std::chrono::nanoseconds time;
  };
  std::vector<Timing> timings = {};
};

/// A change of a graph, complete in itself: it checks everything before it changes anything, and leaves the
/// graph valid.
struct Pass {
  std::string_view name;
  void (*run)(GraphData& graph, PassContext& context);
};

/// Runs them in order, each but the disabled ones timed and the graph verified after it.
void run_passes(GraphData& graph, std::span<const Pass> passes, PassContext& context);

// Each is in the .cpp of its name.
extern const Pass kTrainingMode;
extern const Pass kInferenceMode;
extern const Pass kFuseBatchNormTraining;
extern const Pass kFoldConstants;
extern const Pass kCopiedSizes;
extern const Pass kMatmulToLinear;
extern const Pass kEqualSums;
extern const Pass kConstantAffines;
extern const Pass kBatchNormToScaleShift;
extern const Pass kMergeScaleShift;
extern const Pass kFoldBackward;
extern const Pass kMergeBranches;
extern const Pass kAddScaleShifts;
extern const Pass kFoldForward;
extern const Pass kRoundConstants;
extern const Pass kRoundScaleShift;
extern const Pass kGateActivations;
extern const Pass kFuseEpilogue;
extern const Pass kChooseLayout;
extern const Pass kChooseTrainingLayout;
extern const Pass kGatherChannels;
extern const Pass kOrderChannels;
extern const Pass kGateInConv;
extern const Pass kMeansFromDepthwise;
extern const Pass kCancelledBiases;
extern const Pass kMomentsFromConv;
extern const Pass kNormalizeInLoad;

}  // namespace pleat
