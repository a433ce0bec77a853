// dweight of a channels-last convolution, by the algorithm that costs least.

#include <optional>

#include "ops/channels_last/weight_algorithms.hpp"

namespace pleat {
namespace {

using WeightAlgorithm = std::variant<DirectWeightGradient, PartedWeightGradient, WinogradWeightGradient,
                                     PartedWinogradWeightGradient, DepthwiseWeightGradient>;

// In multiply-adds: a sum is written and read again; an element of a tile is transformed and packed.
constexpr double kSum = 40, kTransformed = 12;
// Fewer channels leave the transforms longer than plain sums; or, where tiles leave the second cache, them
// and what they write.
constexpr int64_t kPartedChannels = 16, kWinogradChannels = 32;

double direct_cost(const ConvShape& s) {
  return static_cast<double>(s.multiply_adds()) +
         kSum * static_cast<double>(s.in_channels * s.out_channels * 9);
}
double winograd_cost(const WinogradWeightTiles& w) {
  const ConvShape& s = w.shape;
  const auto tile_elements = static_cast<double>(w.tiles() * w.elements());
  const auto transformed = static_cast<double>(s.in_channels + s.out_channels);
  const auto pairs = static_cast<double>(s.in_channels * s.out_channels);
  return pairs * (tile_elements + kSum * static_cast<double>(w.elements())) +
         kTransformed * tile_elements * transformed;
}

// The better of F(2x2) and F(4x4), if it is better than sums over the pixels.
template <class Winograd>
std::optional<Winograd> choose_winograd(const ConvShape& shape, int64_t mr, int64_t nr) {
  const Winograd two(shape, mr, nr, 2), four(shape, mr, nr, 4);
  const Winograd& best = winograd_cost(two) < winograd_cost(four) ? two : four;
  return winograd_cost(best) < direct_cost(shape) ? std::optional(best) : std::nullopt;
}

WeightAlgorithm choose(const ConvShape& shape, const ops::ConvChannelsLastWeightGradient& attributes,
                       int64_t mr, int64_t nr) {
  const bool precise = attributes.precise, normalizes = attributes.normalizes.has_value();
  if (DepthwiseConv::fits(shape)) return DepthwiseWeightGradient(shape, normalizes);
  const int64_t channels = std::min(shape.in_channels, shape.out_channels);
  if (!precise && WinogradConv::fits(shape) && channels >= kPartedChannels) {
    const auto parted = choose_winograd<PartedWinogradWeightGradient>(shape, mr, nr);
    if (parted && parted->fits()) return *parted;
    if (channels >= kWinogradChannels) {
      if (const auto whole = choose_winograd<WinogradWeightGradient>(shape, mr, nr)) return *whole;
    }
  }
  if (PartedWeightGradient::fits(shape)) return PartedWeightGradient(shape, mr, nr, normalizes);
  return DirectWeightGradient(shape, mr, nr, normalizes);
}

struct ConvChannelsLastWeightGradientOp {
  using Attributes = ops::ConvChannelsLastWeightGradient;
  static constexpr std::string_view name = "conv_channels_last_weight_gradient";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    check_channels_last_gradient(name, attributes, in[0]->shape, in[2]->shape, in[1]->shape);
    return {*in[2]};
  }

  template <class T>
  static WeightAlgorithm algorithm(const kernels::KernelTable<T>& kernels, const Attributes& attributes,
                                   const Shape& x, const Shape& weight) {
    return choose(channels_last_shape(attributes, x, weight), attributes, kernels.gemm.mr, kernels.gemm.nr);
  }

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    const Shape &x = in[0]->shape, &weight = in[2]->shape;
    const WeightAlgorithm chosen =
        with_kernels(compute, [&](const auto& kernels) { return algorithm(kernels, attributes, x, weight); });
    return std::visit([&](const auto& a) { return a.workspace(size_of(compute)); }, chosen);
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Shape &x = context.in_shape(0), &weight = context.in_shape(2);
    T* const dw = context.out(0);
    if (x[0] == 0) {
      std::fill(dw, dw + weight.numel(), T(0));
      return;
    }
    const NormalizedLoad<T> load(context, attributes.normalizes, 3);
    std::visit(
        [&](const auto& a) {
          a.run(context, WeightOperands<T>{context.in(0), context.in(1), dw, &load});
        },
        algorithm(context.kernels, attributes, x, weight));
  }

  static int64_t multiply_adds(const Attributes& attributes, const InputTypes& in) {
    return channels_last_shape(attributes, in[0]->shape, in[2]->shape).multiply_adds();
  }
  static double work(const Attributes& attributes, const InputTypes& in) {
    return static_cast<double>(multiply_adds(attributes, in)) / 16;
  }
};

}  // namespace

PLEAT_OP(ConvChannelsLastWeightGradientOp)

}  // namespace pleat
