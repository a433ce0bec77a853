#include "ops/context.hpp"
#include "ops/pool_window.hpp"

namespace pleat {
namespace {

struct Place {
  int64_t row, column;
};

/// The first element of the window of y[i,j] that is its maximum, or NaN.
template <class T>
Place place_of_max(const kernels::PoolPlane& p, int64_t i, int64_t j, const T* x, T max) {
  for (int64_t r = 0; r < p.kernel_h; ++r) {
    const int64_t row = i * p.stride_h - p.pad_h + r * p.dilation_h;
    if (row < 0 || row >= p.in_h) continue;
    for (int64_t c = 0; c < p.kernel_w; ++c) {
      const int64_t column = j * p.stride_w - p.pad_w + c * p.dilation_w;
      if (column < 0 || column >= p.in_w) continue;
      const T v = x[row * p.in_w + column];
      if (v == max || v != v) return {row, column};
    }
  }
  return {0, 0};
}

struct MaxPoolOp {
  using Attributes = ops::MaxPool;
  static constexpr std::string_view name = "max_pool";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape y = pooled_shape(name, attributes.window, attributes.ceil_mode, in[0]->shape);
    if (attributes.with_indices) return {{in[0]->dtype, y}, {DType::i64, y}};
    return {{in[0]->dtype, y}};
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
      context.kernels.pool.max(plane, x + in, y + out, context.worker_workspace());
      if (!attributes.with_indices) return;
      int64_t* indices = context.template out<int64_t>(1) + out;
      for (int64_t i = 0; i < plane.out_h * plane.out_w; ++i) {
        const Place at = place_of_max(plane, i / plane.out_w, i % plane.out_w, x + in, y[out + i]);
        indices[i] = in + (attributes.column_major ? at.column * plane.in_h + at.row
                                                   : at.row * plane.in_w + at.column);
      }
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
