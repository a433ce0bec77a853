#pragma once

#include <cstdint>

namespace pleat::kernels {

/// Rows are contiguous: element (i, j) of `rows` x `n` stands at i * n + j.
template <class T>
struct SoftmaxKernels {
  /// y[i,j] = exp(x[i,j]) / sum_k exp(x[i,k]). y may be x.
  void (*softmax)(int64_t rows, int64_t n, const T* x, T* y);
  /// y[i,j] = x[i,j] - log(sum_k exp(x[i,k])). y may be x.
  void (*log_softmax)(int64_t rows, int64_t n, const T* x, T* y);

  /// For y = softmax(x): dx[i,j] = y[i,j] * (dy[i,j] - sum_k dy[i,k] * y[i,k]). dx may be y or dy.
  void (*softmax_gradient)(int64_t rows, int64_t n, const T* y, const T* dy, T* dx);
  /// For y = log_softmax(x): dx[i,j] = dy[i,j] - exp(y[i,j]) * sum_k dy[i,k]. dx may be y or dy.
  void (*log_softmax_gradient)(int64_t rows, int64_t n, const T* y, const T* dy, T* dx);

  /// For log-probabilities y, summed over rows in double:
  /// sum_i (smoothing - 1) * y[i,label[i]] - smoothing / n * sum_j y[i,j]. Each label is in [0, n).
  double (*cross_entropy)(int64_t rows, int64_t n, double smoothing, const T* y, const int64_t* label);
  /// dx[i,j] = scale * (exp(y[i,j]) - smoothing / n - (j == label[i] ? 1 - smoothing : 0)). dx may be y.
  void (*cross_entropy_gradient)(int64_t rows, int64_t n, double smoothing, double scale, const T* y,
                                 const int64_t* label, T* dx);

  /// sum_i (y[i] - target[i])^2, in double.
  double (*squared_error)(int64_t n, const T* y, const T* target);
  /// dy[i] = scale * (y[i] - target[i]). dy may be y or target.
  void (*squared_error_gradient)(int64_t n, double scale, const T* y, const T* target, T* dy);
};

}  // namespace pleat::kernels
