// y = act(conv(x, weight) + bias + residual), a cross-correlation as in PyTorch; x is padded with `pad` of
// its channel, else with zeros. See conv_correlate.hpp.

#include "base/format.hpp"
#include "ops/conv_correlate.hpp"

namespace pleat {
namespace {

struct ConvOp {
  using Attributes = ops::Conv;
  static constexpr std::string_view name = "conv";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const ValueType y{in[0]->dtype,
                      conv_output(attributes.window, attributes.groups, in[0]->shape, in[1]->shape)};
    const int64_t channels = y.shape[1];
    if (in.size() > 2 && in[2] != nullptr && in[2]->shape != Shape{channels}) {
      fail("conv: needs a bias of ", Shape{channels}.str(), ", got ", in[2]->shape.str());
    }
    if (in.size() > 3 && in[3] != nullptr && in[3]->shape != y.shape) {
      fail("conv: needs a residual of ", y.shape.str(), ", got ", in[3]->shape.str());
    }
    const Shape padded{in[1]->shape[1] * attributes.groups};
    if (in.size() > 4 && in[4] != nullptr && in[4]->shape != padded) {
      fail("conv: needs pad values ", padded.str(), ", one an input channel, got ", in[4]->shape.str());
    }
    return {y};
  }

  template <class T>
  static CorrelationPlan plan(const kernels::KernelTable<T>& kernels, const Attributes& attributes,
                              const Shape& x, const Shape& weight) {
    const ConvShape shape = conv_shape(attributes.window, attributes.groups, x, weight, kernels.conv.lanes);
    return plan_correlation(kernels, shape, forward_axis(shape, 0), forward_axis(shape, 1), false);
  }
  static CorrelationPlan plan(const Attributes& attributes, const InputTypes& in, DType compute) {
    const Shape &x = in[0]->shape, &weight = in[1]->shape;
    return with_kernels(compute, [&](const auto& kernels) { return plan(kernels, attributes, x, weight); });
  }

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    const CorrelationPlan p = plan(attributes, in, compute);
    const auto element = static_cast<int64_t>(size_of(compute));
    return {static_cast<size_t>(p.offset_bytes() + p.filter_elements() * element),
            static_cast<size_t>(p.scratch_elements() * element)};
  }

  static size_t packed_bytes(const Attributes& attributes, const InputTypes& in, DType compute) {
    return static_cast<size_t>(plan(attributes, in, compute).filter_elements()) * size_of(compute);
  }
  template <class T>
  static void pack(const Attributes& attributes, const Context<T>& context, T* packed) {
    pack_filter(plan(context.kernels, attributes, context.in_shape(0), context.in_shape(1)), context.in(1),
                packed);
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const CorrelationPlan p = plan(context.kernels, attributes, context.in_shape(0), context.in_shape(1));
    auto* const offsets = context.template workspace<int64_t>();
    tap_offsets(p.y, p.x, p.spread, p.in_place, p.block_in, offsets);
    const T* packed = context.packed();
    if (packed == nullptr) {
      T* own = reinterpret_cast<T*>(context.template workspace<std::byte>() + p.offset_bytes());
      pack_filter(p, context.in(1), own);
      packed = own;
    }
    run_correlation(p, context, context.in(0), packed, offsets, context.out(0), context.in(2), context.in(3),
                    attributes.epilogue, context.in(4));
  }

  static int64_t multiply_adds(const Attributes& attributes, const InputTypes& in) {
    return conv_shape(attributes.window, attributes.groups, in[0]->shape, in[1]->shape, 1).multiply_adds();
  }
  static double work(const Attributes& attributes, const InputTypes& in) {
    return static_cast<double>(multiply_adds(attributes, in)) / 16;
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    if (attributes.epilogue.activation != Activation::none || scope.input(3) != kAbsent ||
        scope.input(4) != kAbsent) {
      fail("conv: a fused activation, residual or pad value has no gradient; fuse after differentiating");
    }
    const ValueId x = scope.input(0), weight = scope.input(1), dy = scope.output_gradient(0);
    if (scope.wants(0)) {
      scope.set_input_gradient(
          0, scope.emit(ops::ConvInputGradient{attributes.window, attributes.groups}, {weight, dy, x})[0]);
    }
    if (scope.wants(1)) {
      scope.set_input_gradient(
          1, scope.emit(ops::ConvWeightGradient{attributes.window, attributes.groups}, {x, dy, weight})[0]);
    }
    if (scope.wants(2)) {
      scope.set_input_gradient(2, scope.emit(ops::BiasGradient{1}, {dy})[0]);
    }
  }
};

}  // namespace

PLEAT_OP(ConvOp)

}  // namespace pleat
