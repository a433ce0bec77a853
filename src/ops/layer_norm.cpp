// y = (x - mean) / sqrt(var + eps) * weight + bias, mean and variance over the trailing dimensions of each
// row, in double and in two passes: exact where the mean is large beside the deviation.

#include <cmath>

#include "ops/context.hpp"
#include "ops/dim.hpp"

namespace pleat {
namespace {

constexpr int64_t kWorkPerElement = 4;

// x's rows: dimensions dim.. are normalized together.
struct Rows {
  Rows(const Shape& x, int64_t dim)
      : first(dim_of(dim, x, "layer_norm")), count(x.product(0, first)), size(x.product(first, x.rank())) {}
  int first;
  int64_t count, size;
};

// f(0) + ... + f(n - 1), in sums that are independent, so that the compiler vectorizes.
template <class F>
double sum(int64_t n, const F& f) {
  constexpr int64_t kLanes = 8;
  double lanes[kLanes] = {};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (int64_t lane = 0; lane < kLanes; ++lane) lanes[lane] += f(i + lane);
  }
  for (int64_t lane = 0; i < n; ++i, ++lane) lanes[lane] += f(i);
  double total = 0;
  for (double lane : lanes) total += lane;
  return total;
}

// A row's mean and 1 / sqrt(var + eps), and its elements normalized by them.
template <class T>
struct Normalized {
  Normalized(const T* row, int64_t n, double eps) : x(row) {
    const auto count = static_cast<double>(n);
    mean = sum(n, [&](int64_t i) { return static_cast<double>(x[i]); }) / count;
    const double square = sum(n, [&](int64_t i) {
      const double d = static_cast<double>(x[i]) - mean;
      return d * d;
    });
    scale = 1 / std::sqrt(square / count + eps);
  }
  double operator[](int64_t i) const { return (static_cast<double>(x[i]) - mean) * scale; }

  const T* x;
  double mean, scale;
};

struct LayerNormOp {
  using Attributes = ops::LayerNorm;
  static constexpr std::string_view name = "layer_norm";
  static constexpr bool may_be_inplace = true;

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape& x = in[0]->shape;
    const Shape normalized(std::vector<int64_t>(x.begin() + Rows(x, attributes.dim).first, x.end()));
    for (size_t k = 1; k < in.size(); ++k) {
      if (in[k] == nullptr || in[k]->shape == normalized || !normalized.is_static()) continue;
      fail("layer_norm: needs a ", k == 1 ? "weight " : "bias ", normalized.str(), ", got ",
           in[k]->shape.str());
    }
    return {{in[0]->dtype, x}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Rows rows(context.in_shape(0), attributes.dim);
    const int64_t n = rows.size;
    const T* weight = context.in(1);
    const T* bias = context.in(2);
    parallel_for(rows.count, grain_for(kWorkPerElement * n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const Normalized<T> x(context.in(0) + r * n, n, attributes.eps);
        T* y = context.out(0) + r * n;
        for (int64_t i = 0; i < n; ++i) y[i] = static_cast<T>(x[i]);
        for (int64_t i = 0; weight != nullptr && i < n; ++i) y[i] *= weight[i];
        for (int64_t i = 0; bias != nullptr && i < n; ++i) y[i] += bias[i];
      }
    });
  }

  static double work(const Attributes&, const InputTypes& in) {
    return static_cast<double>(kWorkPerElement * in[0]->shape.numel());
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    const ops::Binary mul{ops::BinaryKind::mul};
    const ValueId x = scope.input(0), weight = scope.input(1), dy = scope.output_gradient(0);
    if (scope.wants(0)) {
      const ValueId inner = weight == kAbsent ? dy : scope.emit(mul, {dy, weight})[0];
      scope.set_input_gradient(
          0, scope.emit(ops::LayerNormGradient{attributes.dim, attributes.eps}, {x, inner})[0]);
    }
    if (scope.wants(1)) {
      const ValueId normalized = scope.emit(ops::LayerNorm{attributes.dim, attributes.eps}, {x})[0];
      scope.set_input_gradient(1,
                               scope.emit(ops::SumTo{}, {scope.emit(mul, {dy, normalized})[0], weight})[0]);
    }
    if (scope.wants(2)) scope.set_input_gradient(2, scope.emit(ops::SumTo{}, {dy, scope.input(2)})[0]);
  }
};

// With z = (x - mean) * scale and g = dy * weight: dx = scale * (g - mean(g) - z * mean(g * z)).
struct LayerNormGradientOp {
  using Attributes = ops::LayerNormGradient;
  static constexpr std::string_view name = "layer_norm_gradient";
  static constexpr bool may_be_inplace = true;

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    return {{in[0]->dtype, in[0]->shape}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Rows rows(context.in_shape(0), attributes.dim);
    const int64_t n = rows.size;
    parallel_for(rows.count, grain_for(2 * kWorkPerElement * n), [&](int64_t begin, int64_t end) {
      for (int64_t r = begin; r < end; ++r) {
        const Normalized<T> z(context.in(0) + r * n, n, attributes.eps);
        const T* g = context.in(1) + r * n;
        T* dx = context.out(0) + r * n;
        const auto count = static_cast<double>(n);
        const double mean = sum(n, [&](int64_t i) { return static_cast<double>(g[i]); }) / count;
        const double along = sum(n, [&](int64_t i) { return static_cast<double>(g[i]) * z[i]; }) / count;
        for (int64_t i = 0; i < n; ++i) {
          dx[i] = static_cast<T>(z.scale * (static_cast<double>(g[i]) - mean - z[i] * along));
        }
      }
    });
  }

  static double work(const Attributes&, const InputTypes& in) {
    return static_cast<double>(2 * kWorkPerElement * in[0]->shape.numel());
  }
};

}  // namespace

PLEAT_OP(LayerNormOp)
PLEAT_OP(LayerNormGradientOp)

}  // namespace pleat
