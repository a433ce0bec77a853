// Unfold: y[n*D' + i, c*kernel + k] = x[n, c, i*stride - pad_begin + k*dilation], zero outside of x. Fold is
// its transpose: x[n, c, d] = bias[c] + the sum of the y that come from it.

#include "base/format.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

void check_window(std::string_view op, const ops::UnfoldDepth& w) {
  if (w.kernel < 1 || w.stride < 1 || w.dilation < 1 || w.pad_begin < 0) {
    fail(op, ": needs kernel, stride and dilation of at least 1 and padding of at least 0, got ", w.kernel,
         ", ", w.stride, ", ", w.dilation, " and ", w.pad_begin);
  }
}

/// Of `windows` windows: the depth that they reach over, without padding.
int64_t reached(const ops::UnfoldDepth& w, int64_t windows) {
  return (windows - 1) * w.stride + (w.kernel - 1) * w.dilation + 1 - w.pad_begin - w.pad_end;
}

struct UnfoldDepthOp {
  using Attributes = ops::UnfoldDepth;
  static constexpr std::string_view name = "unfold_depth";

  static std::vector<ValueType> infer(const Attributes& w, const InputTypes& in) {
    const Shape& x = in[0]->shape;
    check_window(name, w);
    if (x.rank() != 5) fail("unfold_depth: needs an input (N, C, D, H, W), got ", x.str());
    Shape y{kDynamic, Shape{x[1], w.kernel}.numel(), x[3], x[4]};
    if (x[2] != kDynamic) {
      const int64_t room = x[2] - reached(w, 1);
      if (room < 0) {
        fail("unfold_depth: kernel ", w.kernel, " dilation ", w.dilation, " is larger than the padded depth ",
             x[2] + w.pad_begin + w.pad_end);
      }
      y[0] = Shape{x[0], room / w.stride + 1}.numel();
    }
    return {{in[0]->dtype, y}};
  }

  template <class T>
  static void run(const Attributes& w, const Context<T>& context) {
    const Shape &x = context.in_shape(0), &y = context.out_shape(0);
    const int64_t depth = x[2], plane = y.product(2, 4), windows = (depth - reached(w, 1)) / w.stride + 1;
    const T* from = context.in(0);
    T* to = context.out(0);
    parallel_for(y.product(0, 2), grain_for(plane / 4), [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        const int64_t k = p % w.kernel, c = p / w.kernel % x[1], i = p / w.kernel / x[1];
        const int64_t d = i % windows * w.stride - w.pad_begin + k * w.dilation;
        if (d < 0 || d >= depth) {
          context.kernels.elementwise.fill(plane, T(0), to + p * plane);
        } else {
          const T* slice = from + ((i / windows * x[1] + c) * depth + d) * plane;
          std::copy(slice, slice + plane, to + p * plane);
        }
      }
    });
  }

  static void gradient(const Attributes& w, GradientScope& scope) {
    const Shape& x = scope.type(scope.input(0)).shape;
    if (x[2] == kDynamic) fail("unfold_depth: needs a known depth to be differentiated, got ", x.str());
    ops::FoldDepth fold{w, (x[2] - reached(w, 1)) / w.stride + 1};
    fold.output_padding = x[2] - reached(w, fold.depth);
    scope.set_input_gradient(0, scope.emit(fold, {scope.output_gradient(0)})[0]);
  }
};

struct FoldDepthOp {
  using Attributes = ops::FoldDepth;
  static constexpr std::string_view name = "fold_depth";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape& y = in[0]->shape;
    const int64_t kernel = attributes.window.kernel, slices = attributes.depth;
    check_window(name, attributes.window);
    const auto divides = [](int64_t by, int64_t n) { return n == kDynamic || n % by == 0; };
    if (slices < 1 || y.rank() != 4 || !divides(slices, y[0]) || !divides(kernel, y[1])) {
      fail("fold_depth: needs an input (N * ", slices, ", C * ", kernel, ", H, W), got ", y.str());
    }
    const int64_t depth = reached(attributes.window, slices) + attributes.output_padding;
    if (depth < 1) fail("fold_depth: the padding leaves nothing of the depth, ", depth);
    const auto part = [](int64_t n, int64_t by) { return n == kDynamic ? kDynamic : n / by; };
    const Shape x{part(y[0], slices), part(y[1], kernel), depth, y[2], y[3]};
    if (in.size() > 1 && in[1] != nullptr && in[1]->shape != Shape{x[1]}) {
      fail("fold_depth: needs a bias of ", Shape{x[1]}.str(), ", got ", in[1]->shape.str());
    }
    return {{in[0]->dtype, x}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const ops::UnfoldDepth& w = attributes.window;
    const Shape& x = context.out_shape(0);
    const int64_t plane = x.product(3, 5), channels = x[1], depth = x[2];
    const T *y = context.in(0), *bias = context.in(1);
    const auto& kernels = context.kernels.elementwise;
    parallel_for(x.product(0, 3), grain_for(plane * w.kernel / 4), [&](int64_t begin, int64_t end) {
      for (int64_t p = begin; p < end; ++p) {
        const int64_t d = p % depth, c = p / depth % channels, n = p / depth / channels;
        T* const to = context.out(0) + p * plane;
        bool empty = bias == nullptr;
        if (!empty) kernels.fill(plane, bias[c], to);
        for (int64_t k = 0; k < w.kernel; ++k) {
          const int64_t at = d + w.pad_begin - k * w.dilation, window = at / w.stride;
          if (at < 0 || at % w.stride != 0 || window >= attributes.depth) continue;
          const T* slice = y + (((n * attributes.depth + window) * channels + c) * w.kernel + k) * plane;
          if (empty) {
            std::copy(slice, slice + plane, to);
          } else {
            kernels.add(plane, to, slice, to);
          }
          empty = false;
        }
        if (empty) kernels.fill(plane, T(0), to);
      }
    });
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    const ValueId dx = scope.output_gradient(0);
    ops::UnfoldDepth unfold = attributes.window;
    unfold.pad_end -= attributes.output_padding;  // so that there are `depth` windows and no more
    if (scope.wants(0)) scope.set_input_gradient(0, scope.emit(unfold, {dx})[0]);
    if (scope.wants(1)) {
      scope.set_input_gradient(1, scope.emit(ops::BiasGradient{1}, {dx})[0]);
    }
  }
};

}  // namespace

PLEAT_OP(UnfoldDepthOp)
PLEAT_OP(FoldDepthOp)

}  // namespace pleat
