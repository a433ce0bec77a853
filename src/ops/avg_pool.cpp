#include "ops/context.hpp"
#include "ops/pool_window.hpp"

namespace pleat {
namespace {

struct AvgPoolOp {
  using Attributes = ops::AvgPool;
  static constexpr std::string_view name = "avg_pool";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    return {{in[0]->dtype, pooled_shape(name, attributes.window, attributes.ceil_mode, in[0]->shape)}};
  }

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    const Shape& x = in[0]->shape;
    const auto plane =
        pool_plane(attributes.window, x, pooled_shape(name, attributes.window, attributes.ceil_mode, x));
    return {0, static_cast<size_t>(kernels::pool_scratch(plane)) * size_of(compute)};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const auto plane = pool_plane(attributes.window, context.in_shape(0), context.out_shape(0));
    const T* x = context.in(0);
    T* y = context.out(0);
    for_planes(plane, context.in_shape(0), [&](int64_t in, int64_t out) {
      context.kernels.pool.average(plane, attributes.count_include_pad, x + in, y + out,
                                   context.worker_workspace());
    });
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    const ops::AvgPoolGradient rule{attributes.window, attributes.count_include_pad};
    scope.set_input_gradient(0, scope.emit(rule, {scope.output_gradient(0), scope.input(0)})[0]);
  }
};

struct AvgPoolGradientOp {
  using Attributes = ops::AvgPoolGradient;
  static constexpr std::string_view name = "avg_pool_gradient";

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    return {{in[0]->dtype, in[1]->shape}};
  }

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    const auto plane = pool_plane(attributes.window, in[1]->shape, in[0]->shape);
    return {0, static_cast<size_t>(kernels::pool_scratch(plane)) * size_of(compute)};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const auto plane = pool_plane(attributes.window, context.in_shape(1), context.in_shape(0));
    const T* dy = context.in(0);
    T* dx = context.out(0);
    for_planes(plane, context.in_shape(1), [&](int64_t in, int64_t out) {
      context.kernels.pool.average_gradient(plane, attributes.count_include_pad, dy + out, dx + in,
                                            context.worker_workspace());
    });
  }
};

}  // namespace

PLEAT_OP(AvgPoolOp)
PLEAT_OP(AvgPoolGradientOp)

}  // namespace pleat
