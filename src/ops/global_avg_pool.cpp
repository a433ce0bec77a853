#include "base/format.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

int64_t plane_size(const Shape& x) {
  return x.product(2, x.rank());
}

struct GlobalAvgPoolOp {
  using Attributes = ops::GlobalAvgPool;
  static constexpr std::string_view name = "global_avg_pool";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape& x = in[0]->shape;
    if (x.rank() < 3 || plane_size(x) == 0) {
      fail("global_avg_pool: needs an input (N, C, ...) with spatial dimensions, got ", x.str());
    }
    Shape y = {x[0], x[1]};
    for (int i = 2; attributes.keep_dims && i < x.rank(); ++i) y.push_back(1);
    return {{in[0]->dtype, y}};
  }

  template <class T>
  static void run(const Attributes&, const Context<T>& context) {
    const int64_t size = plane_size(context.in_shape(0));
    const T* x = context.in(0);
    T* y = context.out(0);
    parallel_for(context.in_shape(0).product(0, 2), grain_for(size / 4), [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) y[c] = context.kernels.pool.mean(size, x + c * size);
    });
  }

  static void gradient(const Attributes&, GradientScope& scope) {
    scope.set_input_gradient(
        0, scope.emit(ops::GlobalAvgPoolGradient{}, {scope.output_gradient(0), scope.input(0)})[0]);
  }
};

struct GlobalAvgPoolGradientOp {
  using Attributes = ops::GlobalAvgPoolGradient;
  static constexpr std::string_view name = "global_avg_pool_gradient";

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    return {{in[0]->dtype, in[1]->shape}};
  }

  template <class T>
  static void run(const Attributes&, const Context<T>& context) {
    const int64_t size = plane_size(context.out_shape(0));
    const T* dy = context.in(0);
    T* dx = context.out(0);
    parallel_for(context.out_shape(0).product(0, 2), grain_for(size / 4), [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        context.kernels.elementwise.fill(size, dy[c] / static_cast<T>(size), dx + c * size);
      }
    });
  }
};

}  // namespace

PLEAT_OP(GlobalAvgPoolOp)
PLEAT_OP(GlobalAvgPoolGradientOp)

}  // namespace pleat
