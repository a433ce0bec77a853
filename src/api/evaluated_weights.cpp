#include "api/evaluated_weights.hpp"

#include "base/random.hpp"
#include "pleat/batch_norm.hpp"

namespace pleat {

EvaluatedWeights::EvaluatedWeights(Model& model, const Trainer& trainer, const Dataset& train,
                                   const FitOptions& options) {
  const bool averages = options.optimizer.ema_decay > 0;
  if (!averages && options.recalibrate_batches == 0) return;
  own_.emplace(model);
  if (averages) model.load_state_dict(trainer.averaged_state_dict());
  if (options.recalibrate_batches > 0) {
    const uint64_t step = static_cast<uint64_t>(trainer.steps());
    recalibrate(model, train,
                {.batch_size = options.batch_size,
                 .batches = options.recalibrate_batches,
                 .seed = Random::mix(Random::mix(options.seed, /*stream=*/2), step)});
  }
}

}  // namespace pleat
