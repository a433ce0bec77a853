#pragma once

#include <cstdint>
#include <optional>
#include <variant>

namespace pleat {

/// Height and width; one number stands for both.
struct Size2 {
  int64_t h = 1, w = 1;
  constexpr Size2(int64_t both) : h(both), w(both) {}  // NOLINT: 3 reads as 3x3
  constexpr Size2(int64_t height, int64_t width) : h(height), w(width) {}
  bool operator==(const Size2&) const = default;
};

// The layers, with PyTorch's names, argument order and defaults. Add them to a graph with Graph::add.

/// y = x W^T + b. x: (*, in_features); y: (*, out_features). Parameters: weight (out, in), bias (out).
struct Linear {
  int64_t in_features, out_features;
  bool bias = true;
};

/// Cross-correlation. x: (N, C, L). Parameters: weight (out, in/groups, k), bias (out).
struct Conv1d {
  int64_t in_channels, out_channels, kernel_size;
  int64_t stride = 1, padding = 0, dilation = 1, groups = 1;
  bool bias = true;
};

/// Cross-correlation. x: (N, C, H, W). Parameters: weight (out, in/groups, kh, kw), bias (out).
struct Conv2d {
  int64_t in_channels, out_channels;
  Size2 kernel_size;
  Size2 stride = 1, padding = 0, dilation = 1;
  int64_t groups = 1;
  bool bias = true;
};

/// What BatchNorm does in training with one value a channel, whose variance says nothing: an Error, as in
/// PyTorch, or normalize by the running statistics, which stay as they are.
enum class SingleValue : uint8_t { error, running };

/// Batch renormalization (Ioffe 2017, "Batch Renormalization: Towards Reducing Minibatch Dependence in
/// Batch-Normalized Models"): in training (x - mean) / sigma * r + d with the batch's mean and sigma =
/// sqrt(Var + eps), and r = sigma / running sigma within [1 / r_max, r_max], d = (mean - running mean) /
/// running sigma within [-d_max, d_max], which are constants for the gradient. The limits grow linearly with
/// the number of batches tracked: until step `ramp_begin` they are 1 and 0, which is plain batch
/// normalization; from step r_ramp_end and d_ramp_end on they are as given. The defaults are the paper's,
/// which also takes a momentum of 0.01.
struct BatchRenorm {
  double r_max = 3, d_max = 5;
  int64_t ramp_begin = 5000, r_ramp_end = 40000, d_ramp_end = 25000;
  bool operator==(const BatchRenorm&) const = default;
};

/// Batch normalization (Ioffe and Szegedy 2015), y = (x - E[x]) / sqrt(Var[x] + eps) * weight + bias per
/// channel. In training E and Var (biased) are the batch's, and running_mean and running_var (unbiased) move
/// by `momentum`; in inference the running ones are used. `momentum` none: cumulative average. Without
/// `track_running_stats` the batch's statistics are used always. `scale` and `shift` switch weight and bias
/// off separately.
///
/// With a `virtual_batch_size` it is ghost batch normalization (Hoffer et al. 2017, "Train longer, generalize
/// better"): in training each run of that many items is normalized by its own statistics, and a shorter last
/// run too, unless it has one value a channel: then it belongs to the run before it. The running statistics
/// move once for each run, in their order, as in the paper's algorithm 1, so as if the runs were batches of
/// their own. 0: the whole batch.
template <int Dims>
struct BatchNorm {
  int64_t num_features;
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;
  bool affine = true;
  bool track_running_stats = true;
  bool scale = true, shift = true;
  int64_t virtual_batch_size = 0;
  SingleValue single_value = SingleValue::error;
  std::optional<BatchRenorm> renorm = std::nullopt;
};
using BatchNorm1d = BatchNorm<1>;  ///< x: (N, C) or (N, C, L)
using BatchNorm2d = BatchNorm<2>;  ///< x: (N, C, H, W)
using BatchNorm3d = BatchNorm<3>;  ///< x: (N, C, D, H, W)

struct ReLU {};
struct ReLU6 {};
struct LeakyReLU {
  double negative_slope = 0.01;
};
struct Sigmoid {};
struct SiLU {};       ///< x * sigmoid(x)
struct Hardswish {};  ///< x * relu6(x + 3) / 6
struct Tanh {};

/// x: (N, C, H, W). `stride` none: the kernel's size.
struct MaxPool2d {
  Size2 kernel_size;
  std::optional<Size2> stride = std::nullopt;
  Size2 padding = 0;
};
struct AvgPool2d {
  Size2 kernel_size;
  std::optional<Size2> stride = std::nullopt;
  Size2 padding = 0;
  bool count_include_pad = true;
};
/// Mean over every spatial dimension. x: (N, C, ...); y: (N, C), or (N, C, 1, ...) with `keep_dims`.
struct GlobalAvgPool {
  bool keep_dims = false;
};

/// Joins dimensions start_dim.. into one.
struct Flatten {
  int64_t start_dim = 1;
};
/// Elementwise sum of two values of one shape.
struct Add {};
/// Joins any number of values along `dim`.
struct Concat {
  int64_t dim = 1;
};
/// In training zeroes each element with probability p and scales the rest by 1/(1-p).
struct Dropout {
  double p = 0.5;
};
/// Over the last dimension.
struct Softmax {};
struct LogSoftmax {};

using Layer = std::variant<Linear, Conv1d, Conv2d, BatchNorm1d, BatchNorm2d, BatchNorm3d, ReLU, ReLU6,
                           LeakyReLU, Sigmoid, SiLU, Hardswish, Tanh, MaxPool2d, AvgPool2d, GlobalAvgPool,
                           Flatten, Add, Concat, Dropout, Softmax, LogSoftmax>;

}  // namespace pleat
