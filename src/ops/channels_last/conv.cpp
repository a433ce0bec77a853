// y = act(conv(x, weight) + bias + residual) as Conv's, of channels-last data, by the algorithm that costs
// least.

#include "base/format.hpp"
#include "ops/channels_last/algorithms.hpp"
#include "ops/window.hpp"

namespace pleat {
namespace {

using Algorithm = std::variant<DirectConv, WinogradConv, DepthwiseConv>;

// Costs in multiply-adds. A byte of weights is read from memory; an element of a tile is transformed beside
// the products, in and out.
constexpr double kByte = 5, kTransformed = 10;
// Fewer channels leave the transforms longer than the products.
constexpr int64_t kWinogradChannels = 16;

double direct_cost(const ConvShape& s) {
  return static_cast<double>(s.multiply_adds()) +
         kByte * 4 * static_cast<double>(s.in_channels * s.out_channels * 9);
}
double winograd_cost(const WinogradConv& w) {
  const ConvShape& s = w.shape;
  const auto pairs = static_cast<double>(s.in_channels * s.out_channels * w.elements());
  return pairs * (static_cast<double>(w.tiles()) + kByte * 4) +
         kTransformed * static_cast<double>(w.tiles() * w.elements() * (s.in_channels + s.out_channels));
}

Algorithm choose(const ConvShape& shape, const ops::ConvChannelsLast& attributes, int64_t nr) {
  if (attributes.planar || attributes.global_average) return DirectConv(shape, attributes, nr);
  if (DepthwiseConv::fits(shape)) return DepthwiseConv{shape};
  if (!attributes.precise && WinogradConv::fits(shape) &&
      std::min(shape.in_channels, shape.out_channels) >= kWinogradChannels) {
    const WinogradConv two(shape, nr, 2), four(shape, nr, 4);
    const WinogradConv& best = winograd_cost(two) < winograd_cost(four) ? two : four;
    if (winograd_cost(best) < direct_cost(shape)) return best;
  }
  return DirectConv(shape, attributes, nr);
}

struct ConvChannelsLastOp {
  using Attributes = ops::ConvChannelsLast;
  static constexpr std::string_view name = "conv_channels_last";
  static constexpr int packed_only = 1;

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape x = attributes.planar ? in[0]->shape : channels_first(in[0]->shape);
    Shape y = channels_last(conv_output(attributes.window, attributes.groups, x, in[1]->shape));
    if (in.size() > 2 && in[2] != nullptr && in[2]->shape != Shape{y[3]}) {
      fail("conv: needs a bias of ", Shape{y[3]}.str(), ", got ", in[2]->shape.str());
    }
    if (in.size() > 3 && in[3] != nullptr && in[3]->shape != y) {
      fail("conv: needs a residual of ", y.str(), ", got ", in[3]->shape.str());
    }
    if (attributes.global_average) y[1] = y[2] = 1;
    return {{in[0]->dtype, y}};
  }

  static ConvShape sizes(const Attributes& attributes, const Shape& x, const Shape& weight) {
    const std::array<int64_t, 2> plane = attributes.planar ? spatial_sizes(x) : plane_of(x);
    return conv_shape(attributes.window, attributes.groups, x[0], plane, weight);
  }
  template <class T>
  static Algorithm algorithm(const kernels::KernelTable<T>& kernels, const Attributes& attributes,
                             const Shape& x, const Shape& weight) {
    return choose(sizes(attributes, x, weight), attributes, kernels.gemm.nr);
  }
  static Algorithm algorithm(const Attributes& attributes, const InputTypes& in, DType compute) {
    const Shape &x = in[0]->shape, &weight = in[1]->shape;
    if (compute == DType::f64) return algorithm(kernels::active_table<double>(), attributes, x, weight);
    return algorithm(kernels::active_table<float>(), attributes, x, weight);
  }

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    return std::visit(
        [&](const auto& a) -> Workspace {
          if constexpr (requires { a.workspace(size_of(compute)); }) return a.workspace(size_of(compute));
          return {};
        },
        algorithm(attributes, in, compute));
  }
  static size_t packed_bytes(const Attributes& attributes, const InputTypes& in, DType compute) {
    const auto elements =
        std::visit([](const auto& a) { return a.packed_elements(); }, algorithm(attributes, in, compute));
    return static_cast<size_t>(elements) * size_of(compute);
  }
  template <class T>
  static void pack(const Attributes& attributes, const Context<T>& context, T* packed) {
    std::visit([&](const auto& a) { a.pack(context.kernels, context.in(1), packed); },
               algorithm(context.kernels, attributes, context.in_shape(0), context.in_shape(1)));
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const auto optional = [&](int i) { return i < context.input_count() ? context.in(i) : nullptr; };
    const ConvOperands<T> operands = {context.in(0), context.packed(), optional(2),
                                      optional(3),   context.out(0),   attributes.epilogue};
    std::visit([&](const auto& a) { a.run(context, operands); },
               algorithm(context.kernels, attributes, context.in_shape(0), context.in_shape(1)));
  }

  static int64_t multiply_adds(const Attributes& attributes, const InputTypes& in) {
    return sizes(attributes, in[0]->shape, in[1]->shape).multiply_adds();
  }
  static double work(const Attributes& attributes, const InputTypes& in) {
    return static_cast<double>(multiply_adds(attributes, in)) / 16;
  }
};

}  // namespace

PLEAT_OP(ConvChannelsLastOp)

}  // namespace pleat
