#pragma once

#include <optional>

#include "api/keep_state.hpp"
#include "pleat/train.hpp"

namespace pleat {

/// As long as it lives, a model has the weights that a fit validates and keeps as its best: the averages of
/// Optimizer::ema_decay, with the running statistics of FitOptions::recalibrate_batches. Afterwards its own.
class EvaluatedWeights {
 public:
  EvaluatedWeights(Model& model, const Trainer& trainer, const Dataset& train, const FitOptions& options);

 private:
  std::optional<KeepState> own_;  // empty where nothing differs
};

}  // namespace pleat
