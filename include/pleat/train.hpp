#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "pleat/data.hpp"
#include "pleat/model.hpp"
#include "pleat/optim.hpp"
#include "pleat/profile.hpp"

namespace pleat {

enum class LossKind { cross_entropy, mse };

struct Loss {
  LossKind kind = LossKind::cross_entropy;
  double label_smoothing = 0;  ///< cross_entropy: share of the target spread evenly over the classes
};

/// Bytes that training steps take, from their static plan. Beside these there are the data, two batches of
/// it, and what runs in validation.
struct PlannedMemory {
  int64_t parameters = 0;   ///< and running statistics
  int64_t optimizer = 0;    ///< its state, and what a step that fails puts back
  int64_t activations = 0;  ///< with gradients and the steps' shared workspace: the most at any one time
  int64_t workspace = 0;    ///< of the threads, and weights in the steps' own layout

  int64_t total() const { return parameters + optimizer + activations + workspace; }
};

/// One training step after another on a model: forward, loss, backward, optimizer update, as one planned
/// graph. The model's own mode does not matter and stays as it is.
class Trainer {
 public:
  /// The model must have one input and one output and outlive the trainer. Error for options that cannot be.
  Trainer(Model& model, Loss loss, Optimizer optimizer);
  Trainer(Trainer&&) noexcept;
  ~Trainer();

  /// One step on a batch; the loss before it. target: i64 (N) for cross entropy, f32 like the output for MSE.
  /// lr: optimizer's own times lr_factor. Error where a label is not a class, and where the loss or the norm
  /// of clipped gradients is not finite; parameters, running statistics and optimizer state are then those
  /// from before the step.
  double step(const Tensor& input, const Tensor& target, double lr_factor = 1);
  /// Takes `runs` steps on that batch, as step() does, and tells when each step of the plan began and ended.
  /// Error for runs < 1, for an optimizer with micro_batch_size, and as step().
  Profile profile(const Tensor& input, const Tensor& target, int runs = 1);
  /// What steps on batches of these shapes will take; plans only. Error where a shape does not fit.
  PlannedMemory planned_memory(const Shape& input, const Shape& target);
  /// Steps done, counting those of a loaded state.
  int64_t steps() const;

  /// The averages of Optimizer::ema_decay under the model's names, for Model::load_state_dict; shares the
  /// trainer's storage. Error without ema_decay, and before the first step.
  StateDict averaged_state_dict() const;

  /// What a resumed run needs beside the weights: "optimizer.fc1.weight.momentum_buffer", or "exp_avg" and
  /// "exp_avg_sq"; "ema"; "optimizer.step"; dropout's counters. Shares the trainer's storage but for the
  /// step.
  StateDict state_dict() const;
  /// Copies every tensor in. Error where a name is missing or unknown, or a shape differs; then nothing was
  /// changed.
  void load_state_dict(const StateDict& state);

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

struct Evaluation {
  double accuracy, loss, images_per_s;
};

/// Accuracy and mean cross entropy of a model on a data set, in eval mode. The model's mode is restored.
/// A network whose first dimension is fixed is run in batches of that size, the last filled up with zeros.
/// Error where a label is not one of the model's classes.
Evaluation evaluate(Model& model, const Dataset& data, int64_t batch_size = 256);

/// The class of each of inputs (N, ...), i64 (N): where its outputs are first largest. Modes and batches as
/// for evaluate.
Tensor predict(Model& model, const Tensor& inputs, int64_t batch_size = 256);

/// One line of metrics.jsonl.
struct EpochMetrics {
  int64_t epoch;                    ///< from 1
  double train_loss;                ///< mean over the epoch's items of the loss at their step
  double test_loss, test_accuracy;  ///< NaN (null in metrics.jsonl) where there is no test data
  double lr;                        ///< at the last step
  double seconds;                   ///< of training and validation
  double images_per_s;              ///< of training, with the making of batches
};

struct FitOptions {
  int64_t epochs = 10;
  int64_t batch_size = 64;
  Loss loss;  ///< mse: against one-hot labels
  Optimizer optimizer;
  Schedule schedule;
  Augmentation augmentation;
  uint64_t seed = 0;          ///< of the order and augmentation of the data
  bool load_ahead = true;     ///< make the next batch while the one before it trains; the bits are the same
  int64_t patience = 0;       ///< stop after that many epochs without a better test accuracy; 0: never
  std::filesystem::path out;  ///< checkpoints and metrics go there; empty: nowhere
  int64_t checkpoint_steps = 0;  ///< also save every so many steps; 0: each epoch
  /// Validate, and keep as the best, with running statistics that so many random batches of the training data
  /// give the weights (see recalibrate); training goes on with its own. 0: the running statistics as they
  /// are.
  int64_t recalibrate_batches = 0;
  bool resume = false;                          ///< continue from out/last.safetensors where it exists
  std::map<std::string, std::string> metadata;  ///< kept in the checkpoints, beside our own "fit"
  const std::atomic<bool>* stop =
      nullptr;  ///< set (by a signal handler): save and return after the current step
  /// Called once before the first step, when all was checked and a resumed run is loaded.
  std::function<void(const PlannedMemory&)> on_start;
  /// Called after each step: steps done, counting those before a resume, and in the whole run; images/s of
  /// this call; loss.
  std::function<void(int64_t step, int64_t total, double images_per_s, double loss)> on_step;
  std::function<void(const EpochMetrics&)> on_epoch;
  std::function<void(const std::string&)>
      on_note;  ///< things worth saying: a merged last batch, an early stop, a resume
};

struct FitResult {
  int64_t epochs = 0;     ///< finished, counting those before a resume
  double train_loss = 0;  ///< of the last finished epoch, as the next
  double test_accuracy = 0;
  double best_accuracy = 0;
  double seconds = 0;       ///< of this call
  double images_per_s = 0;  ///< of this call's training; 0 where it made no step
  bool interrupted = false, stopped_early = false;
};

/// Trains with shuffling, validation on the folded network each epoch, checkpoints (last.safetensors with the
/// optimizer's state, best.safetensors) and metrics.jsonl, each written whole or not at all. A run resumed
/// from its checkpoint ends with the same bits as one never stopped, whenever it was killed. Error where a
/// checkpoint was made with other options or data: it names what differs (more epochs are fine where the
/// schedule does not depend on them). A last batch of one, which BatchNorm cannot train on, joins the batch
/// before it (said through on_note). With Optimizer::ema_decay the averaged weights are validated, and kept
/// as the best; the model's own, and last.safetensors', are those that training goes on with.
FitResult fit(Model& model, const Split& data, const FitOptions& options);

}  // namespace pleat
