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

namespace pleat {

enum class LossKind { cross_entropy, mse };

struct Loss {
  LossKind kind = LossKind::cross_entropy;
  double label_smoothing = 0;  ///< cross_entropy: share of the target spread evenly over the classes
};

/// One training step after another on a model: forward, loss, backward, optimizer update, as one planned
/// graph.
class Trainer {
 public:
  /// The model must have one input and one output and outlive the trainer.
  Trainer(Model& model, Loss loss, Optimizer optimizer);
  ~Trainer();

  /// One step on a batch; the loss before it. target: i64 (N) for cross entropy, f32 like the output for MSE.
  /// lr: optimizer's own times lr_factor. Error where the loss is not finite; the weights were then not
  /// changed.
  double step(const Tensor& input, const Tensor& target, double lr_factor = 1);

  /// Momentum and moment buffers, step count, dropout's counters: what a resumed run needs beside the
  /// weights.
  StateDict state_dict() const;
  void load_state_dict(const StateDict& state);

  struct Impl;

 private:
  std::unique_ptr<Impl> impl_;
};

struct Evaluation {
  double accuracy, loss, images_per_s;
};

/// Accuracy and mean cross entropy of a model on a data set, in eval mode. The model's mode is restored.
Evaluation evaluate(Model& model, const Dataset& data, int64_t batch_size = 256);

/// One line of metrics.jsonl.
struct EpochMetrics {
  int64_t epoch;  ///< from 1
  double train_loss, test_loss, test_accuracy, lr, seconds, images_per_s;
};

struct FitOptions {
  int64_t epochs = 10;
  int64_t batch_size = 64;
  Loss loss;
  Optimizer optimizer;
  Schedule schedule;
  Augmentation augmentation;
  uint64_t seed = 0;             ///< of the order and augmentation of the data
  int64_t patience = 0;          ///< stop after that many epochs without a better test accuracy; 0: never
  std::filesystem::path out;     ///< checkpoints and metrics go there; empty: nowhere
  int64_t checkpoint_steps = 0;  ///< also save every so many steps; 0: each epoch
  bool resume = false;           ///< continue from out/last.safetensors where it exists
  std::map<std::string, std::string> metadata;  ///< kept in the checkpoints
  const std::atomic<bool>* stop =
      nullptr;  ///< set (by a signal handler): save and return after the current step
  /// Called after each step: steps done and to do in this run, images/s, loss.
  std::function<void(int64_t step, int64_t total, double images_per_s, double loss)> on_step;
  std::function<void(const EpochMetrics&)> on_epoch;
  std::function<void(const std::string&)>
      on_note;  ///< things worth saying: a merged last batch, an early stop
};

struct FitResult {
  int64_t epochs = 0;  ///< finished, counting those before a resume
  double train_loss = 0, test_accuracy = 0, best_accuracy = 0, seconds = 0, images_per_s = 0;
  bool interrupted = false, stopped_early = false;
};

/// Trains with shuffling, validation on the folded network each epoch, checkpoints (last.safetensors,
/// best.safetensors) and metrics.jsonl. A run resumed from its checkpoint ends with the same bits as one
/// never stopped. A last batch of one, which BatchNorm cannot train on, joins the batch before it (said
/// through on_note).
FitResult fit(Model& model, const Split& data, const FitOptions& options);

}  // namespace pleat
