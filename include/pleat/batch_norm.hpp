#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "pleat/data.hpp"
#include "pleat/layers.hpp"
#include "pleat/model.hpp"

namespace pleat {

/// How a BatchNorm layer trains: what may be changed after it was built or read from a file. See BatchNorm.
struct BatchNormOptions {
  std::optional<double> momentum = 0.1;
  int64_t virtual_batch_size = 0;
  SingleValue single_value = SingleValue::error;
  std::optional<BatchRenorm> renorm = std::nullopt;
  bool operator==(const BatchNormOptions&) const = default;
};

/// The names of a model's BatchNorm layers, in graph order.
std::vector<std::string> batch_norm_layers(Model& model);
/// Error where the model has no BatchNorm of that name.
BatchNormOptions batch_norm_options(Model& model, std::string_view layer);
/// Error where there is no such layer, and for options that it cannot have; then nothing was changed.
///
/// Model::freeze(layer) stops a layer's statistics while its weight and bias train, and
/// Model::set_requires_grad("bn1.weight", false) the other way round.
void set_batch_norm_options(Model& model, std::string_view layer, const BatchNormOptions& options);

struct RecalibrateOptions {
  int64_t batch_size = 256;
  int64_t batches = 0;  ///< use that many batches; 0: all of the data
  uint64_t seed = 0;    ///< of the order of the data
};
struct Recalibration {
  int64_t layers = 0, batches = 0, items = 0;
};

/// Computes the running statistics of every BatchNorm that is not frozen anew, with the weights as they are:
/// "precise BN" (Wu and Johnson 2021, "Rethinking 'Batch' in BatchNorm"), also for averaged weights, whose
/// own statistics no training ever saw. The mean and (unbiased) variance over all values of all batches are
/// exact: batches are joined in double by the formula of Chan, Golub and LeVeque (1979), so for the first
/// BatchNorm they are those of the data, however it is cut. A later layer sees what the ones before it
/// normalize, as in training, by each batch's own statistics (of the whole batch: virtual_batch_size and
/// renorm do not count). Dropout passes its input on, as where the statistics will be used.
/// num_batches_tracked becomes the number of batches; momentum does not matter.
///
/// The batches come in random order; a last one of one item joins the one before it. Error where the network
/// has no statistics to compute, several inputs, and where they would not be finite; then nothing was
/// changed.
Recalibration recalibrate(Model& model, const Dataset& data, const RecalibrateOptions& options = {});
/// The same on batches of inputs that `next` gives, until it gives an undefined tensor.
Recalibration recalibrate(Model& model, const std::function<Tensor()>& next);

}  // namespace pleat
