#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

#include "kernels/activation.hpp"
#include "pleat/layers.hpp"
#include "pleat/tensor.hpp"

namespace pleat::ops {

// What each kind of node needs beside its inputs: plain data, one struct an op. Inputs and outputs are listed
// in order; "?" marks an input that may be absent. An op's meaning is in the .cpp of its name.

/// Padding that depends on the input's size: as much as makes ceil(size / stride) outputs, the odd one at the
/// end (same_upper) or at the beginning (same_lower).
enum class AutoPad : uint8_t { none, same_upper, same_lower };

/// Windows over two spatial dimensions; one-dimensional data has height 1.
struct Window {
  std::array<int64_t, 2> kernel = {1, 1}, stride = {1, 1}, dilation = {1, 1};
  std::array<int64_t, 2> pad_begin = {0, 0}, pad_end = {0, 0};
  AutoPad auto_pad = AutoPad::none;  ///< otherwise pad_begin and pad_end do not count

  /// Of one pixel, which is the output's own.
  bool is_pointwise() const {
    constexpr std::array<int64_t, 2> one = {1, 1}, none = {0, 0};
    return kernel == one && stride == one && pad_begin == none && pad_end == none;
  }
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

/// x (N, C, [H,] W), weight (out, C/groups, [kh,] kw), bias? (out), residual? (y's shape), pad? (C): what x
/// is padded with, else 0 -> y (N, out, [H',] W')
struct Conv {
  Window window;
  int64_t groups = 1;
  Epilogue epilogue;
};
/// x (N, C, [H,] W), weight (C, out/groups, [kh,] kw), bias? (out) -> y (N, out, [H',] W'), the input
/// gradient of the convolution of that window: H' = (H - 1) * stride - pads + (kernel - 1) * dilation + 1 +
/// output_padding; or H' = output_size, the pads then following from it, unless that is 0.
struct ConvTranspose {
  Window window;
  int64_t groups = 1;
  std::array<int64_t, 2> output_padding = {0, 0}, output_size = {0, 0};
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
/// residual? (x's shape), moments? (3, C) of x from who made it -> y = act((x - mean) / sqrt(var + eps) *
/// weight + bias + residual), and for the backward pass (5 * parts, C), with renorm (7 * parts, C), see
/// batch_norm.cpp. Running statistics move where batch_statistics is set and they are there.
struct BatchNorm {
  int spatial_dims = 1;  ///< 1, 2 or 3: which of PyTorch's BatchNorm1d, 2d, 3d it is
  double eps = 1e-5;
  std::optional<double> momentum = 0.1;
  bool frozen = false;             ///< inference behaviour even while the rest trains
  bool batch_statistics = false;   ///< normalize by the batch's statistics; set by the training pipeline
  int64_t virtual_batch_size = 0;  ///< items that share statistics in training; 0: the whole batch
  SingleValue single_value = SingleValue::error;
  std::optional<BatchRenorm> renorm = {};
  bool channels_last = false;  ///< x is (N, ..., C); set by choose_layout
  bool saves_only = false;     ///< gives what it saves and no y: its readers make it of that and x
  Activation activation = Activation::none;
};
/// x, dy, what BatchNorm saved, y? (where an activation followed a residual) -> dx?, dresidual?, dweight?,
/// dbias?: those that are wanted
struct BatchNormGradient {
  bool batch_statistics = true, channels_last = false;
  int64_t virtual_batch_size = 0;
  bool renorm = false;
  Activation activation = Activation::none;
  bool wants_input = true, wants_residual = false, wants_weight = true, wants_bias = true;
};
/// x, what BatchNorm saved, residual?, after -> its y once more. `after` is not read: y is made when that is
/// there.
struct BatchNormRecompute {
  bool batch_statistics = true, channels_last = false;
  int64_t virtual_batch_size = 0;
  bool renorm = false;
  Activation activation = Activation::none;
};

/// x, center? (C), scale (C), shift (C), residual? -> act((x - center) * scale + shift + residual), where C
/// is x's size along `dim`. Until the last inference pass scale and shift are f64 constants and center is
/// absent; that pass makes all three f32.
struct ScaleShift {
  int64_t dim = 1;
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

/// What a function of one variable computes; its parameters are alpha and beta.
enum class UnaryKind : uint8_t {
  abs,
  ceil,
  floor,
  round,  ///< halves to even
  sign,
  neg,
  reciprocal,
  sqrt,
  exp,
  log,
  erf,
  sin,
  cos,
  logical_not,      ///< boolean
  is_nan,           ///< -> boolean
  is_inf,           ///< -> boolean; of either sign
  clip,             ///< min(max(x, alpha), beta)
  hard_sigmoid,     ///< min(max(alpha * x + beta, 0), 1)
  elu,              ///< x < 0 ? alpha * (e^x - 1) : x
  celu,             ///< max(0, x) + min(0, alpha * (e^(x / alpha) - 1))
  selu,             ///< x > 0 ? beta * x : beta * (alpha * e^x - alpha)
  softplus,         ///< log(1 + e^x), without overflow
  softsign,         ///< x / (1 + |x|)
  mish,             ///< x * tanh(softplus(x))
  gelu,             ///< x * (1 + erf(x / sqrt(2))) / 2
  gelu_tanh,        ///< its approximation x / 2 * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 x^3)))
  swish,            ///< x * sigmoid(alpha * x)
  thresholded_relu  ///< x > alpha ? x : 0
};
/// x -> f(x), of x's type unless the kind says otherwise
struct Unary {
  UnaryKind kind = UnaryKind::abs;
  double alpha = 0, beta = 0;
};
/// x, dy -> dy * f'(x)
struct UnaryGradient {
  UnaryKind kind = UnaryKind::abs;
  double alpha = 0, beta = 0;
};

enum class BinaryKind : uint8_t {
  add,
  sub,
  mul,
  div,  ///< of whole numbers: truncates
  pow,
  min,
  max,
  mod,    ///< of the divisor's sign
  fmod,   ///< of the dividend's sign, as C's
  prelu,  ///< a < 0 ? b * a : a
  equal,  ///< this and the next: -> boolean
  less,
  less_equal,
  greater,
  greater_equal,
  logical_and,  ///< boolean
  logical_or,
  logical_xor
};
/// a, b of one type (pow: b of any) -> f(a, b), of shapes that are broadcast as NumPy does
struct Binary {
  BinaryKind kind = BinaryKind::add;
};
/// a, b, dy -> dy * (the derivative by operand 0: a, or 1: b), of dy's shape
struct BinaryGradient {
  BinaryKind kind = BinaryKind::add;
  int operand = 0;
};
/// condition (boolean), a, b -> condition ? a : b, broadcast
struct Where {};
struct Cast {  ///< x -> x as another type; floats are truncated to whole numbers, non-zero is true
  DType to = DType::f32;
};
/// x, like (its shape only) -> x summed over the dimensions along which it was broadcast from like's shape
struct SumTo {};

enum class ReduceKind : uint8_t { mean, sum, max, min, prod, l1, l2, log_sum, log_sum_exp, sum_square };
/// x, axes? (i64; absent or empty: all) -> y
struct Reduce {
  ReduceKind kind = ReduceKind::mean;
  bool keep_dims = true;
  bool keep_all_if_empty = false;  ///< no axes: y = x, or f of each element by itself
};
/// x, y, dy, axes? -> dx; of a maximum several elements share it
struct ReduceGradient {
  ReduceKind kind = ReduceKind::mean;
  bool keep_dims = true, keep_all_if_empty = false;
};
struct ArgReduce {  ///< x -> i64: where along dim the largest (smallest) is
  bool smallest = false;
  int64_t dim = 0;
  bool keep_dims = true;
  bool last = false;  ///< of several, the last
};
/// x, weight? , bias? (of the normalized shape) -> y, normalized over dimensions dim..
struct LayerNorm {
  int64_t dim = -1;
  double eps = 1e-5;
};
struct LayerNormGradient {  ///< x, dy * weight -> dx
  int64_t dim = -1;
  double eps = 1e-5;
};
/// x (N, C, ...) -> x / (bias + alpha / size * sum of x^2 over `size` neighbouring channels)^beta
struct LocalResponseNorm {
  int64_t size = 5;
  double alpha = 1e-4, beta = 0.75, bias = 1;
};
struct LocalResponseNormGradient {  ///< x, dy -> dx
  int64_t size = 5;
  double alpha = 1e-4, beta = 0.75, bias = 1;
};
/// a (..., m, k), b (..., k, n) -> (..., m, n), leading dimensions broadcast; operands of rank 1 as in NumPy
struct MatMul {};
/// dy, the other operand, this one (its shape only) -> its gradient
struct MatMulGradient {
  bool second = false;  ///< this one is b
};
struct Einsum {  ///< any number of inputs; letters, "->" and "..."
  std::string equation;
};

struct Add {};  ///< a, b -> a + b, of one shape
struct Concat {
  int64_t dim = 1;
};              ///< x... -> y
struct Slice {  ///< x -> x[begin:end] along dim
  int64_t dim = 1, begin = 0, end = 0;
};
struct SliceGradient {  ///< dy, x (its shape only) -> dx, zero outside the slice
  int64_t dim = 1, begin = 0;
};
struct Flatten {  ///< x -> a view of it, dimensions start_dim.. joined; and those before it, to a matrix
  int64_t start_dim = 1;
  bool to_matrix = false;
};
/// x, shape (i64) -> a view of x; a size of -1 is what is left, one of 0 is x's own unless allow_zero
struct Reshape {
  bool allow_zero = false;
};
struct Squeeze {};    ///< x, axes? (i64; absent: every dimension of size 1) -> a view of x
struct Unsqueeze {};  ///< x, axes (i64, of the result) -> a view of x
struct Transpose {    ///< x -> y, y's dimension i is x's dimension order[i]; empty: reversed
  std::vector<int64_t> order;
};
struct Expand {};        ///< x, shape (i64) -> x broadcast with that shape
struct Tile {};          ///< x, repeats (i64) -> y
struct TileGradient {};  ///< dy, x (its shape only), repeats -> dx
struct StridedSlice {};  ///< x, starts, ends, axes?, steps? (i64) -> y, as x[start:end:step] along the axes
struct StridedSliceGradient {};  ///< dy, x (its shape only), starts, ends, axes?, steps? -> dx
struct Split {  ///< x, sizes? (i64) -> `parts` outputs; without sizes equal ones, the last what is left
  int64_t dim = 0, parts = 1;
};
/// `count` channels of an input, from `from` on, become an output's from `to` on, every step-th.
struct ChannelRun {
  int64_t input = 0, from = 0, to = 0, count = 0, step = 1;
};
struct GatherChannels {  ///< x... (N, ..., C_i) -> y (N, ..., channels), where each run goes; they meet
                         ///< nowhere
  int64_t channels = 0;
  std::vector<ChannelRun> runs;
};
struct Gather {  ///< x, indices (i64) -> y: indices' shape in the place of x's dimension dim
  int64_t dim = 0;
};
struct GatherGradient {  ///< dy, x (its shape only), indices -> dx
  int64_t dim = 0;
};
enum class PadMode : uint8_t { constant, reflect, edge, wrap };
struct Pad {  ///< x, pads (i64: all begins, then all ends; negative ones crop), value? (), axes? (i64) -> y
  PadMode mode = PadMode::constant;
};
struct PadGradient {  ///< dy, x (its shape only), pads, axes? -> dx
  PadMode mode = PadMode::constant;
};

enum class ResizeMode : uint8_t { nearest, linear, cubic };
enum class ResizeCoordinates : uint8_t {
  half_pixel,
  half_pixel_symmetric,
  pytorch_half_pixel,
  align_corners,
  asymmetric,
  tf_half_pixel_for_nn,
  tf_crop_and_resize
};
enum class NearestMode : uint8_t { round_prefer_floor, round_prefer_ceil, floor, ceil };
enum class ResizePolicy : uint8_t { stretch, not_larger, not_smaller };
/// x, roi? (2r), scales? (r), sizes? (r, i64) -> y, as ONNX's Resize; r: x's rank, or the number of `axes`
struct Resize {
  ResizeMode mode = ResizeMode::nearest;
  ResizeCoordinates coordinates = ResizeCoordinates::half_pixel;
  NearestMode nearest = NearestMode::round_prefer_floor;
  ResizePolicy policy = ResizePolicy::stretch;
  double cubic_a = -0.75, extrapolation = 0;
  bool exclude_outside = false, antialias = false;
  std::vector<int64_t> axes;  ///< empty: all
};
struct ResizeGradient {  ///< dy, x (its shape only), roi?, scales?, sizes? -> dx
  Resize forward;
};

struct ShapeOf {  ///< x -> its sizes [begin, end) (i64); negative ones count from the end
  int64_t begin = 0;
  std::optional<int64_t> end;
};
struct SizeOf {};   ///< x -> number of its elements () i64
struct FillShape {  ///< shape (i64) -> every element `value`
  DType dtype = DType::f32;
  double value = 0;
};
struct Range {};  ///< start (), limit (), delta () -> start, start + delta, ... before limit
enum class DepthOrder : uint8_t { depth_first, channels_first };  ///< ONNX: DCR, CRD
struct DepthToSpace {  ///< x (N, C * block^2, H, W) -> (N, C, H * block, W * block)
  int64_t block = 2;
  DepthOrder order = DepthOrder::depth_first;
};
struct SpaceToDepth {  ///< the inverse
  int64_t block = 2;
  DepthOrder order = DepthOrder::depth_first;
};
/// x (N, C, D, H, W) -> (N * D', C * kernel, H, W): the slices under each window along the depth. A
/// convolution of volumes is this, a Conv with the weight as (out, C/groups * kd, kh, kw), and FoldDepth with
/// kernel 1. A pad_end below 0 leaves windows out.
struct UnfoldDepth {
  int64_t kernel = 1, stride = 1, dilation = 1, pad_begin = 0, pad_end = 0;
};
/// y (N * depth, C * kernel, H, W), bias? (C) -> x (N, C, D, H, W), D = (depth - 1) * stride - pads + (kernel
/// - 1) * dilation + 1 + output_padding: each slice is added where UnfoldDepth takes it from. A transposed
/// convolution of volumes is UnfoldDepth with kernel 1, a ConvTranspose with the weight as (C, out/groups *
/// kd, kh, kw), and this.
struct FoldDepth {
  UnfoldDepth window;
  int64_t depth = 1, output_padding = 0;
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
  bool ceil_mode = false;     ///< windows that begin inside the padded input count, though they end outside
  bool with_indices = false;  ///< a second output, i64: where each maximum lies in x, as one flat index,
  bool column_major = false;  ///< in a plane's column-major order
};
struct MaxPoolGradient {  ///< x, y, dy -> dx; where several elements are the maximum the first gets it
  Window window;
};
struct AvgPool {
  Window window;
  bool count_include_pad = true;
  bool ceil_mode = false;
};
struct AvgPoolGradient {  ///< dy, x (its shape only) -> dx
  Window window;
  bool count_include_pad = true;
};
struct GlobalAvgPool {
  bool keep_dims = false;
};
struct GlobalAvgPoolGradient {};  ///< dy, x (its shape only) -> dx

// Channels-last forms of Conv and the pools: their results, with x and y as (N, H, W, C).
/// x, weight (out, C/groups, kh, kw), bias? (out), residual? (y's shape), saved or gate? -> y, moments or
/// means?
struct ConvChannelsLast {
  Window window;
  int64_t groups = 1;
  Epilogue epilogue;
  bool precise = false;  ///< no algorithm that rounds more than sums of products do
  bool planar = false;   ///< x is (N, C, H, W) still: a network's first convolution reads it as it comes
  bool global_average = false;  ///< y is (N, 1, 1, C), the mean over the plane
  bool trains = false;          ///< the weight changes between runs; otherwise it is constant
  /// x is normalized as it is read, with this activation: input 4 is what BatchNorm saved.
  std::optional<Activation> normalizes = {};
  /// Each channel of x is multiplied by input 4, (N, 1, 1, C) or (1, 1, 1, C); one group, a constant weight.
  bool gated = false;
  bool moments = false;  ///< also gives y's, (3, C) over all pixels: see ops/moments.hpp
  bool means = false;    ///< also gives y's over each plane, (N, 1, 1, C); depthwise only
};
struct ConvChannelsLastInputGradient {  ///< weight, dy, x (its shape only) -> dx
  Window window;
  int64_t groups = 1;
  bool precise = false;
};
struct ConvChannelsLastWeightGradient {  ///< x, dy, weight (its shape only), saved? -> dweight
  Window window;
  int64_t groups = 1;
  bool precise = false;
  std::optional<Activation> normalizes = {};  ///< as ConvChannelsLast's; input 3
};
/// x, weight (C, in, 1, 1), bias? (C), depthwise weight (C, 1, kh, kw), its bias? (C) -> y, means?:
/// a depthwise convolution of what one of single pixels makes; the weights are constant
struct ExpandDepthwiseChannelsLast {
  Epilogue expand;  ///< of the first
  Window window;
  Epilogue epilogue;
  bool means = false;  ///< as ConvChannelsLast's
};
/// center (C), scale (C), shift (C), x... (N, ..., C_i) -> act((concat(x...) - center) * scale + shift)
struct ConcatScaleShiftChannelsLast {
  Activation activation = Activation::none;
  double alpha = 0;
};
struct MaxPoolChannelsLast {
  Window window;
  bool ceil_mode = false;
};
struct MaxPoolChannelsLastGradient {  ///< x, y, dy -> dx; where several elements are the maximum the first
                                      ///< gets it
  Window window;
};
struct AvgPoolChannelsLast {
  Window window;
  bool count_include_pad = true, ceil_mode = false;
};
struct AvgPoolChannelsLastGradient {  ///< dy, x (its shape only) -> dx
  Window window;
  bool count_include_pad = true;
};
struct GlobalAvgPoolChannelsLast {};          ///< x -> (N, 1, 1, C)
struct GlobalAvgPoolChannelsLastGradient {};  ///< dy, x (its shape only) -> dx

struct Softmax {
  bool log = false;
  int64_t dim = -1;
};
struct SoftmaxGradient {  ///< y, dy -> dx
  bool log = false;
  int64_t dim = -1;
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
using AnyOp = std::variant<
    Linear, LinearInputGradient, LinearWeightGradient, BiasGradient, Conv, ConvTranspose, ConvInputGradient,
    ConvWeightGradient, BatchNorm, BatchNormGradient, BatchNormRecompute, ScaleShift, Activate,
    ActivateGradient, Unary, UnaryGradient, Binary, BinaryGradient, Where, Cast, SumTo, Reduce,
    ReduceGradient, ArgReduce, LayerNorm, LayerNormGradient, LocalResponseNorm, LocalResponseNormGradient,
    MatMul, MatMulGradient, Einsum, Add, Concat, Slice, SliceGradient, Flatten, ReshapeLike, Reshape, Squeeze,
    Unsqueeze, Transpose, Expand, Tile, TileGradient, StridedSlice, StridedSliceGradient, Split,
    GatherChannels, Gather, GatherGradient, Pad, PadGradient, Resize, ResizeGradient, ShapeOf, SizeOf,
    FillShape, Range, DepthToSpace, SpaceToDepth, UnfoldDepth, FoldDepth, Dropout, DropoutGradient, MaxPool,
    MaxPoolGradient, AvgPool, AvgPoolGradient, GlobalAvgPool, GlobalAvgPoolGradient, ConvChannelsLast,
    ExpandDepthwiseChannelsLast, ConvChannelsLastInputGradient, ConvChannelsLastWeightGradient,
    ConcatScaleShiftChannelsLast, MaxPoolChannelsLast, MaxPoolChannelsLastGradient, AvgPoolChannelsLast,
    AvgPoolChannelsLastGradient, GlobalAvgPoolChannelsLast, GlobalAvgPoolChannelsLastGradient, Softmax,
    SoftmaxGradient, CrossEntropy, CrossEntropyGradient, MeanSquaredError, MeanSquaredErrorGradient, Fill,
    ClipGradNorm, SgdUpdate, AdamUpdate>;

class Attributes;
template <class Op>
concept AnOp =
    !std::is_same_v<Op, Attributes> && std::is_constructible_v<AnyOp, std::in_place_type_t<Op>, Op>;

/// One op's attributes. Made, copied, moved and destroyed in one place: a variant this wide is much code.
class Attributes : public AnyOp {
 public:
  template <AnOp Op>
  Attributes(Op op);
  Attributes(const Attributes&);
  Attributes(Attributes&&) noexcept;
  Attributes& operator=(const Attributes&);
  Attributes& operator=(Attributes&&) noexcept;
  ~Attributes();
};

}  // namespace pleat::ops
