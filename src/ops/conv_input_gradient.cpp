// dx of a convolution: a sum over dy with the kernel reversed, for each phase of the stride apart. See
// input_gradient_axis.

#include "base/format.hpp"
#include "ops/conv_correlate.hpp"

namespace pleat {
namespace {

struct ConvInputGradientOp {
  using Attributes = ops::ConvInputGradient;
  static constexpr std::string_view name = "conv_input_gradient";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape y = conv_output(attributes.window, attributes.groups, in[2]->shape, in[0]->shape);
    if (in[1]->shape != y) {
      fail("conv_input_gradient: needs dy of ", y.str(), ", got ", in[1]->shape.str());
    }
    return {*in[2]};
  }

  /// body(plan) for each phase.
  template <class T, class Body>
  static void for_phases(const kernels::KernelTable<T>& kernels, const Attributes& attributes,
                         const Shape& weight, const Shape& x, const Body& body) {
    const ConvShape shape = conv_shape(attributes.window, attributes.groups, x, weight, kernels.conv.lanes);
    for (int64_t py = 0; py < shape.window.stride[0]; ++py) {
      for (int64_t px = 0; px < shape.window.stride[1]; ++px) {
        body(plan_correlation(kernels, shape, input_gradient_axis(shape, 0, py),
                              input_gradient_axis(shape, 1, px), true));
      }
    }
  }

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    Workspace most;
    const auto grow = [&](const CorrelationPlan& plan) {
      const auto element = static_cast<int64_t>(size_of(compute));
      most.shared =
          std::max(most.shared, static_cast<size_t>(plan.offset_bytes() + plan.filter_elements() * element));
      most.per_worker = std::max(most.per_worker, static_cast<size_t>(plan.scratch_elements() * element));
    };
    const Shape &weight = in[0]->shape, &x = in[2]->shape;
    if (compute == DType::f64) {
      for_phases(kernels::active_table<double>(), attributes, weight, x, grow);
    } else {
      for_phases(kernels::active_table<float>(), attributes, weight, x, grow);
    }
    return most;
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    auto* const offsets = context.template workspace<int64_t>();
    for_phases(context.kernels, attributes, context.in_shape(0), context.in_shape(2),
               [&](const CorrelationPlan& plan) {
                 T* packed =
                     reinterpret_cast<T*>(context.template workspace<std::byte>() + plan.offset_bytes());
                 tap_offsets(plan.y, plan.x, plan.spread, plan.in_place, plan.block_in, offsets);
                 pack_filter(plan, context.in(0), packed);
                 run_correlation<T>(plan, context, context.in(1), packed, offsets, context.out(0), nullptr,
                                    nullptr, {});
               });
  }

  static int64_t multiply_adds(const Attributes& attributes, const InputTypes& in) {
    return conv_shape(attributes.window, attributes.groups, in[2]->shape, in[0]->shape, 1).multiply_adds();
  }
  static double work(const Attributes& attributes, const InputTypes& in) {
    return static_cast<double>(multiply_adds(attributes, in)) / 16;
  }
};

}  // namespace

PLEAT_OP(ConvInputGradientOp)

}  // namespace pleat
