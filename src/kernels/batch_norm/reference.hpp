#pragma once

#include "kernels/activation_reference.hpp"
#include "kernels/batch_norm/contract.hpp"

namespace pleat::kernels::reference {

/// Calls body(offset, i) for each value of the block.
template <class Body>
void for_each_value(PlaneBlock block, const Body& body) {
  for (int64_t p = 0; p < block.planes; ++p) {
    for (int64_t i = 0; i < block.length; ++i) body(p * block.stride + i, i);
  }
}

/// Column i of the block, as a block of one channel.
inline PlaneBlock column_of(PlaneBlock block) {
  return {block.planes, block.stride, 1, false};
}

template <class T>
void statistics(const T* x, PlaneBlock block, double* mean, double* m2) {
  const double n = static_cast<double>(block.values());
  double sum = 0;
  for_each_value(block, [&](int64_t at, int64_t) { sum += double(x[at]) - double(x[0]); });
  const double center = double(x[0]) + sum / n;
  *m2 = 0;
  for_each_value(block, [&](int64_t at, int64_t) {
    const double d = double(x[at]) - center;
    *m2 += d * d;
  });
  *mean = center;
}

template <class T>
void column_statistics(const T* x, PlaneBlock block, double* mean, double* m2) {
  for (int64_t i = 0; i < block.length; ++i) statistics(x + i, column_of(block), mean + i, m2 + i);
}

template <class T>
T normalized(T x, const Coefficients<T>& c, int64_t i) {
  return (x - c.center[i]) * c.scale[i] + c.shift[i];
}

template <class T>
void normalize(const T* x, const T* residual, T* y, PlaneBlock block, Coefficients<T> coefficients,
               Activation activation, T alpha) {
  for_each_value(block, [&](int64_t at, int64_t i) {
    T v = normalized(x[at], coefficients, block.per_column ? i : 0);
    if (residual != nullptr) v += residual[at];
    y[at] = activate(activation, v, alpha);
  });
}

template <class T>
T masked(const MaskedGradient<T>& g, int64_t at, int64_t i) {
  if (g.activation == Activation::none) return g.dy[at];
  const T z = g.y != nullptr ? g.y[at] : normalized(g.x[at], g.coefficients, i);
  return z > T(0) && (g.activation == Activation::relu || z < T(6)) ? g.dy[at] : T(0);
}

template <class T>
void gradient_sums(const MaskedGradient<T>& gradient, PlaneBlock block, double* sum_dy, double* sum_dy_x) {
  for (int64_t i = 0; i < (block.per_column ? block.length : 1); ++i) sum_dy[i] = sum_dy_x[i] = 0;
  for_each_value(block, [&](int64_t at, int64_t i) {
    const int64_t c = block.per_column ? i : 0;
    const double g = double(masked(gradient, at, c));
    sum_dy[c] += g;
    sum_dy_x[c] += g * (double(gradient.x[at]) - double(gradient.coefficients.center[c]));
  });
}

template <class T>
void input_gradient(const MaskedGradient<T>& gradient, const T* slope, const T* offset, T* dx, T* dresidual,
                    PlaneBlock block) {
  for_each_value(block, [&](int64_t at, int64_t i) {
    const int64_t c = block.per_column ? i : 0;
    const T g = masked(gradient, at, c);
    T v = g * gradient.coefficients.scale[c];
    if (slope != nullptr) v += (gradient.x[at] - gradient.coefficients.center[c]) * slope[c] + offset[c];
    if (dx != nullptr) dx[at] = v;
    if (dresidual != nullptr) dresidual[at] = g;
  });
}

template <class T>
inline constexpr BatchNormKernels<T> kBatchNorm = {statistics<T>, column_statistics<T>, normalize<T>,
                                                   gradient_sums<T>, input_gradient<T>};

}  // namespace pleat::kernels::reference
