// y[n, o, i*stride - pad + k*dilation] += x[n, c, i] * weight[c, o, k], + bias[o]: the input gradient of a
// convolution, see conv_input_gradient.hpp.

#include "base/format.hpp"
#include "ops/conv_input_gradient.hpp"
#include "ops/window.hpp"

namespace pleat {
namespace {

/// y's height and width, and the window with the pads that make them.
struct TransposedSizes {
  ops::Window window;
  std::array<int64_t, 2> y{1, 1};
  std::array<int64_t, 2> beyond{0, 0};  ///< positions at y's end that no window reaches
};

TransposedSizes sizes_of(const ops::ConvTranspose& attributes, const Shape& x) {
  const std::array<int64_t, 2> in = spatial_sizes(x);
  TransposedSizes sizes{attributes.window};
  ops::Window& window = sizes.window;
  const bool automatic = window.auto_pad != ops::AutoPad::none;
  for (size_t d = x.rank() == 3 ? 1 : 0; d < 2; ++d) {
    const int64_t asked = attributes.output_size[d];
    if (in[d] == kDynamic) {
      sizes.y[d] = asked > 0 ? asked : kDynamic;
      continue;
    }
    const int64_t reached = (in[d] - 1) * window.stride[d] + extent(window, d);
    const int64_t whole = reached + attributes.output_padding[d];
    if (asked > 0 || automatic) {
      sizes.y[d] = asked > 0 ? asked : in[d] * window.stride[d];
      set_pads(window, d, std::max<int64_t>(0, whole - sizes.y[d]));
    } else {
      sizes.y[d] = whole - window.pad_begin[d] - window.pad_end[d];
    }
    const int64_t beyond = sizes.y[d] + window.pad_begin[d] - reached;
    window.pad_end[d] = std::max<int64_t>(0, -beyond);
    sizes.beyond[d] = std::max<int64_t>(0, beyond);
  }
  window.auto_pad = ops::AutoPad::none;
  return sizes;
}

struct ConvTransposeOp {
  using Attributes = ops::ConvTranspose;
  static constexpr std::string_view name = "conv_transpose";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape &x = in[0]->shape, &weight = in[1]->shape;
    check_conv(name, attributes.window, x, weight.rank() > 0 ? weight[0] : 0, weight);
    if (attributes.groups < 1 || weight[0] % attributes.groups != 0) {
      fail("conv_transpose: groups ", attributes.groups, " must divide the ", weight[0], " input channels");
    }
    const int64_t channels = weight[1] * attributes.groups;
    if (in.size() > 2 && in[2] != nullptr && in[2]->shape != Shape{channels}) {
      fail("conv_transpose: needs a bias of ", Shape{channels}.str(), ", got ", in[2]->shape.str());
    }
    const TransposedSizes sizes = sizes_of(attributes, x);
    Shape y{x[0], channels};
    for (size_t d = x.rank() == 3 ? 1 : 0; d < 2; ++d) {
      if (attributes.output_padding[d] < 0 || attributes.output_size[d] < 0) {
        fail("conv_transpose: needs an output padding and an output size of at least 0");
      }
      y.push_back(sizes.y[d]);
      if (sizes.y[d] < 1 && sizes.y[d] != kDynamic) {
        fail("conv_transpose: the padding leaves nothing of the output for ", x.str());
      }
    }
    return {{in[0]->dtype, y}};
  }

  /// The convolution from y's shape to x's.
  static ConvShape shape_of(const Attributes& attributes, const Shape& x, const Shape& weight,
                            int64_t lanes) {
    const TransposedSizes sizes = sizes_of(attributes, x);
    ConvShape shape{x[0],    attributes.groups, weight[1],   weight[0] / attributes.groups,
                    sizes.y, spatial_sizes(x),  sizes.window};
    join_rows(shape, lanes);
    return shape;
  }
  template <class T>
  static ConvShape shape_of(const Attributes& attributes, const Context<T>& context) {
    return shape_of(attributes, context.in_shape(0), context.in_shape(1), context.kernels.conv.lanes);
  }

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    return with_kernels(compute, [&](const auto& kernels) {
      return input_gradient_workspace(kernels,
                                      shape_of(attributes, in[0]->shape, in[1]->shape, kernels.conv.lanes));
    });
  }

  static size_t packed_bytes(const Attributes& attributes, const InputTypes& in, DType compute) {
    int64_t elements = 0;
    with_kernels(compute, [&](const auto& kernels) {
      for_phases(kernels, shape_of(attributes, in[0]->shape, in[1]->shape, kernels.conv.lanes),
                 [&](const CorrelationPlan& plan) { elements += plan.filter_elements(); });
    });
    return static_cast<size_t>(elements) * size_of(compute);
  }
  template <class T>
  static void pack(const Attributes& attributes, const Context<T>& context, T* packed) {
    for_phases(context.kernels, shape_of(attributes, context), [&](const CorrelationPlan& plan) {
      pack_filter(plan, context.in(1), packed);
      packed += plan.filter_elements();
    });
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    run_input_gradient<T>(shape_of(attributes, context), context, context.in(1), context.packed(),
                          context.in(0), context.in(2), context.out(0));
  }

  static int64_t multiply_adds(const Attributes& attributes, const InputTypes& in) {
    return shape_of(attributes, in[0]->shape, in[1]->shape, 1).multiply_adds();
  }
  static double work(const Attributes& attributes, const InputTypes& in) {
    return static_cast<double>(multiply_adds(attributes, in)) / 16;
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    const ValueId x = scope.input(0), weight = scope.input(1);
    if (scope.wants(2)) {
      scope.set_input_gradient(2, scope.emit(ops::BiasGradient{1}, {scope.output_gradient(0)})[0]);
    }
    const Shape& shape = scope.type(x).shape;
    const ops::Window& given = attributes.window;
    const bool fixed =
        attributes.output_size == std::array<int64_t, 2>{} && given.auto_pad == ops::AutoPad::none &&
        attributes.output_padding[0] < given.stride[0] && attributes.output_padding[1] < given.stride[1];
    if (!fixed && shape.product(2, shape.rank()) == kDynamic) {
      fail("conv_transpose: needs known sizes to be differentiated with padding that depends on them, got ",
           shape.str());
    }
    const TransposedSizes sizes = sizes_of(attributes, shape);
    const ValueId dy = reached_part(sizes, scope);
    if (scope.wants(0)) {
      const ops::Conv conv{sizes.window, attributes.groups, {}};
      scope.set_input_gradient(0, scope.emit(conv, {dy, weight})[0]);
    }
    if (scope.wants(1)) {
      const ops::ConvWeightGradient rule{sizes.window, attributes.groups};
      scope.set_input_gradient(1, scope.emit(rule, {dy, x, weight})[0]);
    }
  }

  /// dy without the whole strides at its end that no window reaches: its convolution is then of x's size.
  static ValueId reached_part(const TransposedSizes& sizes, GradientScope& scope) {
    ValueId dy = scope.output_gradient(0);
    for (int dim = 2; dim < scope.type(dy).shape.rank(); ++dim) {
      const auto d = static_cast<size_t>(dim + 2 - scope.type(dy).shape.rank());
      const int64_t stride = sizes.window.stride[d], cut = sizes.beyond[d] / stride * stride;
      if (cut > 0) dy = scope.emit(ops::Slice{dim, 0, scope.type(dy).shape[dim] - cut}, {dy})[0];
    }
    return dy;
  }
};

}  // namespace

PLEAT_OP(ConvTransposeOp)

}  // namespace pleat
