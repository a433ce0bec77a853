#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <variant>

#include "kernels/activation.hpp"

namespace pleat::ops {

// What each kind of node needs beside its inputs: plain data, one struct an op. Inputs and outputs are listed
// in order; "?" marks an input that may be absent. An op's meaning is in the .cpp of its name.

/// Windows over two spatial dimensions; one-dimensional data has height 1.
struct Window {
  std::array<int64_t, 2> kernel = {1, 1}, stride = {1, 1}, dilation = {1, 1};
  std::array<int64_t, 2> pad_begin = {0, 0}, pad_end = {0, 0};
};

/// An activation applied to a step's result before it is stored.
struct Epilogue {
  Activation activation = Activation::none;
  double alpha = 0;
};

/// x (..., in), weight (out, in), bias? (out), residual? (y's shape) -> y (..., out)
struct Linear {
  Epilogue epilogue;
};
/// x, weight, dy -> dx | dweight | dbias, by what each of the ops below gives
struct LinearInputGradient {};   ///< weight, dy -> dx
struct LinearWeightGradient {};  ///< x, dy -> dweight
struct BiasGradient {            ///< dy -> sums over every dimension but `dim`
  int64_t dim = 1;
};

/// x (N, C, [H,] W), weight (out, C/groups, [kh,] kw), bias? (out), residual? (y's shape) -> y (N, out, [H',]
/// W')
struct Conv {
  Window window;
  int64_t groups = 1;
  Epilogue epilogue;
};
struct ConvInputGradient {  ///< weight, dy, x (its shape only) -> dx
  Window window;
  int64_t groups = 1;
};
struct ConvWeightGradient {  ///< x, dy, weight (its shape only) -> dweight
  Window window;
  int64_t groups = 1;
};

/// x (N, C, ...), weight? (C), bias? (C), running_mean? (C), running_var? (C), num_batches_tracked? () i64,
/// residual? (x's shape) -> y = act((x - mean) / sqrt(var + eps) * weight + bias + residual), and (5, C) for
/// the backward pass, see batch_norm.cpp. Running statistics move where batch_statistics is set and they are
/// there.
struct BatchNorm {
  int spatial_dims = 1;  ///< 1, 2 or 3: which of PyTorch's BatchNorm1d, 2d, 3d it is
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;
  bool frozen = false;            ///< inference behaviour even while the rest trains
  bool batch_statistics = false;  ///< normalize by the batch's statistics; set by the training pipeline
  Activation activation = Activation::none;
};
/// x, dy, what BatchNorm saved (5, C), y? (where an activation followed a residual) -> dx?, dresidual?,
/// dweight?, dbias?: those that are wanted
struct BatchNormGradient {
  bool batch_statistics = true;
  Activation activation = Activation::none;
  bool wants_input = true, wants_residual = false, wants_weight = true, wants_bias = true;
};

/// x (N, C, ...), center? (C), scale (C), shift (C), residual? -> act((x - center) * scale + shift +
/// residual). Until the last inference pass scale and shift are f64 constants and center is absent; that pass
/// makes all three f32.
struct ScaleShift {
  Activation activation = Activation::none;
  double alpha = 0;
};

struct Activate {  ///< x -> act(x)
  Activation activation = Activation::relu;
  double alpha = 0;
};
struct ActivateGradient {  ///< x, y, dy -> dx
  Activation activation = Activation::relu;
  double alpha = 0;
};

struct Add {};  ///< a, b -> a + b
struct Concat {
  int64_t dim = 1;
};              ///< x... -> y
struct Slice {  ///< x -> x[begin:end] along dim
  int64_t dim = 1, begin = 0, end = 0;
};
struct SliceGradient {  ///< dy, x (its shape only) -> dx, zero outside the slice
  int64_t dim = 1, begin = 0;
};
struct Flatten {  ///< x -> a view of it, dimensions start_dim.. joined
  int64_t start_dim = 1;
};
struct ReshapeLike {};  ///< x, like (its shape only) -> a view of x with like's shape

struct Dropout {  ///< x, counter () i64 state -> y, seed () i64; identity unless `training`
  double p = 0.5;
  uint64_t seed = 0;
  bool frozen = false, training = false;
};
struct DropoutGradient {  ///< dy, seed -> dx
  double p = 0.5;
};

struct MaxPool {
  Window window;
};
struct MaxPoolGradient {  ///< x, y, dy -> dx; where several elements are the maximum the first gets it
  Window window;
};
struct AvgPool {
  Window window;
  bool count_include_pad = true;
};
struct AvgPoolGradient {  ///< dy, x (its shape only) -> dx
  Window window;
  bool count_include_pad = true;
};
struct GlobalAvgPool {
  bool keep_dims = false;
};
struct GlobalAvgPoolGradient {};  ///< dy, x (its shape only) -> dx

struct Softmax {
  bool log = false;
};
struct SoftmaxGradient {  ///< y, dy -> dx
  bool log = false;
};
/// logits (N, C), labels (N) i64 -> mean loss (), log-probabilities (N, C)
struct CrossEntropy {
  double label_smoothing = 0;
};
struct CrossEntropyGradient {  ///< log-probabilities, labels, dloss () -> dlogits
  double label_smoothing = 0;
};
struct MeanSquaredError {};          ///< y, target -> mean ()
struct MeanSquaredErrorGradient {};  ///< y, target, dloss () -> dy

struct Fill {  ///< like (its shape only) -> every element `value`
  double value = 0;
};

/// gradients... -> (2): total 2-norm, and the factor min(1, max_norm / (norm + 1e-6))
struct ClipGradNorm {
  double max_norm = 1;
};
// Updates change the parameter and their buffers in place, and nothing where the loss is not finite. rate and
// loss are scalars; clip is what ClipGradNorm gives.
/// parameter, gradient, momentum_buffer?, rate, loss, clip? -> nothing
struct SgdUpdate {
  double momentum = 0, weight_decay = 0;
  bool nesterov = false;
};
/// parameter, gradient, exp_avg, exp_avg_sq, step () i64 (from 1), rate, loss, clip? -> nothing
struct AdamUpdate {
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8, weight_decay = 0;
  bool decoupled = false;  ///< AdamW
};

/// The op list.
using Attributes =
    std::variant<Linear, LinearInputGradient, LinearWeightGradient, BiasGradient, Conv, ConvInputGradient,
                 ConvWeightGradient, BatchNorm, BatchNormGradient, ScaleShift, Activate, ActivateGradient,
                 Add, Concat, Slice, SliceGradient, Flatten, ReshapeLike, Dropout, DropoutGradient, MaxPool,
                 MaxPoolGradient, AvgPool, AvgPoolGradient, GlobalAvgPool, GlobalAvgPoolGradient, Softmax,
                 SoftmaxGradient, CrossEntropy, CrossEntropyGradient, MeanSquaredError,
                 MeanSquaredErrorGradient, Fill, ClipGradNorm, SgdUpdate, AdamUpdate>;

}  // namespace pleat::ops
