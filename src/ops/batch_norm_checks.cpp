#include "ops/batch_norm_checks.hpp"

#include "base/format.hpp"

namespace pleat {
namespace {

void check_input(const ops::BatchNorm& attributes, const Shape& x) {
  static constexpr const char* kNeeded[] = {"(N, C) or (N, C, L)", "(N, C, H, W)", "(N, C, D, H, W)"};
  const int rank = x.rank(), dims = attributes.spatial_dims;
  if (rank != dims + 2 && !(dims == 1 && rank == 2)) {
    fail("batch_norm: BatchNorm", dims, "d needs an input of shape ", kNeeded[dims - 1], ", got ", x.str());
  }
  const int64_t channels = channels_of(attributes, x);
  if (!attributes.batch_statistics || !x.is_static() || channels == 0) return;
  const int64_t values = x.numel() / channels, virtual_batch = attributes.virtual_batch_size;
  if (values == 0 || (values == 1 && attributes.single_value == SingleValue::error)) {
    fail("batch_norm: Expected more than 1 value per channel when training, got input size ", x.str());
  }
  if (virtual_batch == 1 && values == x[0] && values > 1) {
    fail("batch_norm: Expected more than 1 value per channel when training, got input size ", x.str(),
         " and a virtual batch size of 1");
  }
}

// What only some ways of training need.
void check_training(const ops::BatchNorm& attributes, const InputTypes& in) {
  if (attributes.virtual_batch_size < 0) {
    fail("batch_norm: virtual_batch_size must not be negative, got ", attributes.virtual_batch_size);
  }
  const bool running = in[kRunningMean] != nullptr && in[kRunningVar] != nullptr;
  if (attributes.single_value == SingleValue::running && !running) {
    fail("batch_norm: single_value running needs running_mean and running_var");
  }
  if (!attributes.renorm) return;
  if (!running || in[kBatchesTracked] == nullptr) {
    fail("batch_norm: batch renormalization needs running_mean, running_var and num_batches_tracked");
  }
  const BatchRenorm& renorm = *attributes.renorm;
  if (!(renorm.r_max >= 1) || !(renorm.d_max >= 0)) {
    fail("batch_norm: batch renormalization needs r_max >= 1 and d_max >= 0, got ", renorm.r_max, " and ",
         renorm.d_max);
  }
}

}  // namespace

void check_batch_norm(const ops::BatchNorm& attributes, const InputTypes& in) {
  const Shape& x = in[kX]->shape;
  check_input(attributes, x);
  check_training(attributes, in);
  static constexpr const char* kNames[] = {"", "weight", "bias", "running_mean", "running_var"};
  const Shape channels{channels_of(attributes, x)};
  for (const int i : {kWeight, kBias, kRunningMean, kRunningVar}) {
    if (in[i] != nullptr && in[i]->shape != channels) {
      fail("batch_norm: ", kNames[i], " has shape ", in[i]->shape.str(), ", the input ", x.str(), " needs ",
           channels.str());
    }
  }
  if ((in[kRunningMean] == nullptr) != (in[kRunningVar] == nullptr)) {
    fail("batch_norm: running_mean and running_var come together, got only one of them");
  }
  if (in[kRunningMean] == nullptr && !attributes.batch_statistics) {
    fail("batch_norm: without batch statistics it needs running_mean and running_var");
  }
  if (in[kBatchesTracked] == nullptr && in[kRunningMean] != nullptr && !attributes.momentum) {
    fail("batch_norm: the cumulative average (momentum none) needs num_batches_tracked");
  }
  if (in[kResidual] != nullptr && in[kResidual]->shape != x) {
    fail("batch_norm: the residual has shape ", in[kResidual]->shape.str(), ", the input ", x.str());
  }
  const Activation act = attributes.activation;
  if (act != Activation::none && act != Activation::relu && act != Activation::relu6) {
    fail("batch_norm: can apply relu or relu6 only");
  }
}

}  // namespace pleat
