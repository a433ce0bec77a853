#pragma once

#include "ops/attributes.hpp"
#include "ops/op.hpp"

namespace pleat {

/// Of ops::BatchNorm.
enum BatchNormInput { kX, kWeight, kBias, kRunningMean, kRunningVar, kBatchesTracked, kResidual, kMoments };

inline int64_t channels_of(const ops::BatchNorm& attributes, const Shape& x) {
  return x[attributes.channels_last ? x.rank() - 1 : 1];
}

/// Error for inputs that do not go together, and for what it cannot take statistics of.
void check_batch_norm(const ops::BatchNorm& attributes, const InputTypes& in);

}  // namespace pleat
