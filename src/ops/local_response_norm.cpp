// y[c] = x[c] * s[c]^-beta, where s[c] = bias + alpha / size * the sum of x[k]^2 over the channels k of c's
// window, (size - 1) / 2 of them before c; and
// dx[c] = dy[c] * s[c]^-beta - 2 * alpha * beta / size * x[c] * the sum of dy[k] * x[k] * s[k]^(-beta - 1)
// over the channels k whose window has c.

#include <algorithm>
#include <cmath>

#include "ops/context.hpp"
#include "ops/dim.hpp"

namespace pleat {
namespace {

constexpr int64_t kColumns = 64;  // positions that are computed together
constexpr int64_t kWorkPerElement = 8;

// s^-beta
template <class T>
T inverse_power(T s, T beta) {
  if (beta == T(0.75)) return 1 / (std::sqrt(s) * std::sqrt(std::sqrt(s)));
  return std::pow(s, -beta);
}

// Calls body(offset, columns) for each piece of the plane of each image: element (c, j) is at offset +
// c * plane + j.
template <class Body>
void for_columns(const DimView& v, const Body& body) {
  const int64_t blocks = (v.inner + kColumns - 1) / kColumns;
  parallel_for(v.outer * blocks, grain_for(kWorkPerElement * v.size * kColumns),
               [&](int64_t begin, int64_t end) {
                 for (int64_t item = begin; item < end; ++item) {
                   const int64_t column = item % blocks * kColumns;
                   body(item / blocks * v.size * v.inner + column, std::min(kColumns, v.inner - column));
                 }
               });
}

// s of channel c.
template <class T, class Attributes>
void window_sums(const Attributes& a, const DimView& v, const T* x, int64_t c, int64_t columns, T* s) {
  const int64_t before = (a.size - 1) / 2, after = a.size - 1 - before;
  std::fill(s, s + columns, T(0));
  for (int64_t k = std::max<int64_t>(0, c - before); k <= std::min(v.size - 1, c + after); ++k) {
    for (int64_t j = 0; j < columns; ++j) s[j] += x[k * v.inner + j] * x[k * v.inner + j];
  }
  const T bias = static_cast<T>(a.bias), factor = static_cast<T>(a.alpha / static_cast<double>(a.size));
  for (int64_t j = 0; j < columns; ++j) s[j] = bias + factor * s[j];
}

struct LocalResponseNormOp {
  using Attributes = ops::LocalResponseNorm;
  static constexpr std::string_view name = "local_response_norm";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    if (in[0]->shape.rank() < 2) {
      fail("local_response_norm: needs an input (N, C, ...), got ", in[0]->shape.str());
    }
    if (attributes.size < 1) fail("local_response_norm: needs a size of at least 1, got ", attributes.size);
    return {{in[0]->dtype, in[0]->shape}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const DimView v(context.in_shape(0), 1);
    for_columns(v, [&](int64_t offset, int64_t columns) {
      const T* x = context.in(0) + offset;
      T* y = context.out(0) + offset;
      T s[kColumns];
      for (int64_t c = 0; c < v.size; ++c) {
        window_sums(attributes, v, x, c, columns, s);
        for (int64_t j = 0; j < columns; ++j) {
          y[c * v.inner + j] = x[c * v.inner + j] * inverse_power(s[j], static_cast<T>(attributes.beta));
        }
      }
    });
  }

  static double work(const Attributes&, const InputTypes& in) {
    return static_cast<double>(kWorkPerElement * in[0]->shape.numel());
  }

  static void gradient(const Attributes& a, GradientScope& scope) {
    const ops::LocalResponseNormGradient rule{a.size, a.alpha, a.beta, a.bias};
    scope.set_input_gradient(0, scope.emit(rule, {scope.input(0), scope.output_gradient(0)})[0]);
  }
};

struct LocalResponseNormGradientOp {
  using Attributes = ops::LocalResponseNormGradient;
  static constexpr std::string_view name = "local_response_norm_gradient";

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    return {{in[0]->dtype, in[0]->shape}};
  }

  // For each channel of a block dy * x * s^(-beta - 1).
  static Workspace workspace(const Attributes&, const InputTypes& in, DType compute) {
    return {.per_worker = static_cast<size_t>(in[0]->shape[1] * kColumns) * size_of(compute)};
  }

  template <class T>
  static void run(const Attributes& a, const Context<T>& context) {
    const DimView v(context.in_shape(0), 1);
    const T beta = static_cast<T>(a.beta);
    const T factor = static_cast<T>(2 * a.alpha * a.beta / static_cast<double>(a.size));
    const int64_t before = (a.size - 1) / 2, after = a.size - 1 - before;
    for_columns(v, [&](int64_t offset, int64_t columns) {
      const T *x = context.in(0) + offset, *dy = context.in(1) + offset;
      T *dx = context.out(0) + offset, *through = context.worker_workspace();
      T s[kColumns];
      for (int64_t c = 0; c < v.size; ++c) {
        window_sums(a, v, x, c, columns, s);
        for (int64_t j = 0; j < columns; ++j) {
          const int64_t at = c * v.inner + j;
          dx[at] = dy[at] * inverse_power(s[j], beta);
          through[c * kColumns + j] = dx[at] * x[at] / s[j];
        }
      }
      for (int64_t c = 0; c < v.size; ++c) {
        std::fill(s, s + columns, T(0));
        for (int64_t k = std::max<int64_t>(0, c - after); k <= std::min(v.size - 1, c + before); ++k) {
          for (int64_t j = 0; j < columns; ++j) s[j] += through[k * kColumns + j];
        }
        for (int64_t j = 0; j < columns; ++j) dx[c * v.inner + j] -= factor * x[c * v.inner + j] * s[j];
      }
    });
  }

  static double work(const Attributes&, const InputTypes& in) {
    return static_cast<double>(2 * kWorkPerElement * in[0]->shape.numel());
  }
};

}  // namespace

PLEAT_OP(LocalResponseNormOp)
PLEAT_OP(LocalResponseNormGradientOp)

}  // namespace pleat
