#include "base/format.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

/// Whether the derivative is computed from x; from y otherwise.
bool gradient_needs_x(Activation activation, double alpha) {
  switch (activation) {
    case Activation::none:
    case Activation::silu:
    case Activation::hardswish:
      return true;
    case Activation::leaky_relu:
      return alpha < 0;  // y has x's sign otherwise
    default:
      return false;
  }
}

struct ActivateOp {
  using Attributes = ops::Activate;
  static constexpr std::string_view name = "activate";
  static constexpr bool may_be_inplace = true;

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) { return {*in[0]}; }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const T* x = context.in(0);
    T* y = context.out(0);
    parallel_for(context.in_shape(0).numel(), grain_for(1), [&](int64_t begin, int64_t end) {
      context.kernels.elementwise.activate(attributes.activation, static_cast<T>(attributes.alpha),
                                           end - begin, x + begin, y + begin);
    });
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    const bool from_x = gradient_needs_x(attributes.activation, attributes.alpha);
    const ops::ActivateGradient rule{attributes.activation, attributes.alpha};
    scope.set_input_gradient(
        0, scope.emit(rule, {from_x ? scope.input(0) : kAbsent, from_x ? kAbsent : scope.output(0),
                             scope.output_gradient(0)})[0]);
  }
};

/// x?, y?, dy -> dx; x or y may be absent where the derivative is computed from the other.
struct ActivateGradientOp {
  using Attributes = ops::ActivateGradient;
  static constexpr std::string_view name = "activate_gradient";
  static constexpr bool may_be_inplace = true;

  static int saved_input(const Attributes& attributes) {
    return gradient_needs_x(attributes.activation, attributes.alpha) ? 0 : 1;
  }

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const int saved = saved_input(attributes);
    if (in[static_cast<size_t>(saved)] == nullptr) {
      fail("activate_gradient: this activation's derivative needs ", saved == 0 ? "x" : "y");
    }
    return {*in[2]};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const T* saved = context.in(saved_input(attributes));
    const T* dy = context.in(2);
    T* dx = context.out(0);
    parallel_for(context.in_shape(2).numel(), grain_for(1), [&](int64_t begin, int64_t end) {
      context.kernels.elementwise.activate_gradient(attributes.activation, static_cast<T>(attributes.alpha),
                                                    end - begin, saved + begin, dy + begin, dx + begin);
    });
  }
};

}  // namespace

PLEAT_OP(ActivateOp)
PLEAT_OP(ActivateGradientOp)

}  // namespace pleat
