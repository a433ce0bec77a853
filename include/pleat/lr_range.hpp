#pragma once

#include <cstdint>
#include <vector>

#include "pleat/train.hpp"

namespace pleat {

struct LrRangeOptions {
  double min_lr = 1e-7, max_lr = 10;
  int64_t steps = 100;
};

/// One step of the test.
struct LrPoint {
  double lr, loss;
  double smoothed;  ///< moving average of the losses so far, 0.98 of the old, without the bias of its start
};

struct LrRange {
  std::vector<LrPoint> curve;
  double suggestion = 0;  ///< NaN where the loss never fell
  bool diverged = false;  ///< stopped before max_lr was reached
};

/// The learning rate range test (Smith 2017, "Cyclical Learning Rates for Training Neural Networks"): trains
/// while the rate grows exponentially from min_lr to max_lr, each step on the next batch as fit() would take
/// them. Stops where the smoothed loss is above 4 times its lowest, or not finite. The suggestion is
/// fastai's "valley": half-way along the longest falling subsequence of the smoothed losses, without their
/// first tenth and last five.
///
/// Uses the loss, optimizer (but for its lr), augmentation, batch size, seed and stop of `options`. The
/// model's weights and running statistics are as before afterwards. Error for ranges that cannot be, and as
/// fit().
LrRange find_lr(Model& model, const Dataset& data, const FitOptions& options,
                const LrRangeOptions& range = {});

}  // namespace pleat
