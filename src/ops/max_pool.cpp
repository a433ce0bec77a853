#include "ops/context.hpp"
#include "ops/pool_window.hpp"

namespace pleat {
namespace {

struct MaxPoolOp {
  using Attributes = ops::MaxPool;
  static constexpr std::string_view name = "max_pool";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    return {{in[0]->dtype, pooled_shape(name, attributes.window, in[0]->shape)}};
  }

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    const Shape& x = in[0]->shape;
    const auto plane = pool_plane(attributes.window, x, pooled_shape(name, attributes.window, x));
    return {0, static_cast<size_t>(kernels::pool_scratch(plane)) * size_of(compute)};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const auto plane = pool_plane(attributes.window, context.in_shape(0), context.out_shape(0));
    const T* x = context.in(0);
    T* y = context.out(0);
    for_planes(plane, context.in_shape(0), [&](int64_t in, int64_t out) {
      context.kernels.pool.max(plane, x + in, y + out, context.worker_workspace());
    });
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    const ops::MaxPoolGradient rule{attributes.window};
    scope.set_input_gradient(
        0, scope.emit(rule, {scope.input(0), scope.output(0), scope.output_gradient(0)})[0]);
  }
};

struct MaxPoolGradientOp {
  using Attributes = ops::MaxPoolGradient;
  static constexpr std::string_view name = "max_pool_gradient";

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) { return {*in[0]}; }

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    const auto plane = pool_plane(attributes.window, in[0]->shape, in[1]->shape);
    return {0, static_cast<size_t>(kernels::pool_scratch(plane)) * size_of(compute)};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const auto plane = pool_plane(attributes.window, context.in_shape(0), context.in_shape(1));
    const T *x = context.in(0), *y = context.in(1), *dy = context.in(2);
    T* dx = context.out(0);
    for_planes(plane, context.in_shape(0), [&](int64_t in, int64_t out) {
      context.kernels.pool.max_gradient(plane, x + in, y + out, dy + out, dx + in,
                                        context.worker_workspace());
    });
  }
};

}  // namespace

PLEAT_OP(MaxPoolOp)
PLEAT_OP(MaxPoolGradientOp)

}  // namespace pleat
