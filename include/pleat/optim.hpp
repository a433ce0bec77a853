#pragma once

#include <cstdint>
#include <string_view>
#include <variant>

namespace pleat {

// Optimizers, with PyTorch's names, formulas and defaults.

struct SGD {
  double lr = 0.1;
  double momentum = 0.9;
  bool nesterov = false;
  double weight_decay = 0;
};
/// Kingma and Ba 2015. Weight decay is added to the gradient.
struct Adam {
  double lr = 1e-3;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0;
};
/// Loshchilov and Hutter 2019: decoupled weight decay.
struct AdamW {
  double lr = 1e-3;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;
  double weight_decay = 0.01;
};

struct Optimizer {
  std::variant<SGD, Adam, AdamW> method = SGD{};
  bool decay_norm_and_bias =
      true;                   ///< false spares BatchNorm's weight and bias and all biases from weight decay
  double clip_grad_norm = 0;  ///< total 2-norm of all gradients, as torch.nn.utils.clip_grad_norm_; 0: none
  /// Gradient accumulation: a batch is computed that many items at a time (a last one alone joins those
  /// before it), and its gradients are added up for one update, in less memory. The loss and the gradients
  /// are those of the whole batch but for BatchNorm, which normalizes each micro-batch by its own statistics
  /// and moves the running ones once for each: the step is that of ghost batch normalization with
  /// virtual_batch_size = micro_batch_size. 0: the whole batch at once.
  int64_t micro_batch_size = 0;
  /// Exponential moving average of the weights (Polyak and Juditsky 1992; torch.optim.swa_utils): after each
  /// step average = ema_decay * average + (1 - ema_decay) * weight, of every parameter and running statistic,
  /// from a copy of those after the first. 0: none.
  double ema_decay = 0;
  /// What BatchNorm gave, with the ReLU and sum after it, is not kept for the backward pass but computed
  /// again from its input (after Chen et al. 2016, "Training deep nets with sublinear memory cost"): nearly
  /// half the memory where every convolution is normalized, for one more pass over it. The bits are the same,
  /// and the running statistics move once.
  bool recompute = false;
};

enum class ScheduleKind { constant, step, cosine, one_cycle };

/// Learning rate over training, as a factor on the optimizer's lr.
struct Schedule {
  ScheduleKind kind = ScheduleKind::constant;
  int64_t step_epochs = 30;  ///< step: epochs between drops, counted from the start of training
  double gamma = 0.1;        ///< step: factor of a drop
  double pct_start = 0.3;    ///< one_cycle: share of the steps on which the rate rises (Smith and Topin 2018)
  double div_factor = 25;    ///< one_cycle: lr / div_factor at the start,
  double final_div_factor = 1e4;  ///< and lr / div_factor / final_div_factor at the end
  double warmup_epochs = 0;       ///< linear rise from 0 before the rest; not with one_cycle

  /// The factor for step `step` (from 0) of `total_steps`. After warm-up, cosine falls from 1 towards 0 as
  /// CosineAnnealingLR stepped each batch; one_cycle is OneCycleLR with cosine annealing, which leaves the
  /// momentum alone. Error for a schedule that cannot be.
  double factor(int64_t step, int64_t total_steps, int64_t steps_per_epoch) const;
};

/// "constant", "step", "cosine", "one_cycle" (or "onecycle"). Error lists them for another name.
ScheduleKind schedule_kind(std::string_view name);

}  // namespace pleat
