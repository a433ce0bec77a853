#pragma once

#include "kernels/softmax/contract.hpp"

namespace pleat::kernels::reference {

/// log(sum_j exp(x[j])), by the largest element so that nothing overflows.
template <class T>
double log_sum_exp(int64_t n, const T* x) {
  double largest = static_cast<double>(x[0]);
  for (int64_t j = 1; j < n; ++j) {
    if (static_cast<double>(x[j]) > largest) largest = static_cast<double>(x[j]);
  }
  double sum = 0;
  for (int64_t j = 0; j < n; ++j) sum += __builtin_exp(static_cast<double>(x[j]) - largest);
  return largest + __builtin_log(sum);
}

template <class T>
void softmax(int64_t rows, int64_t n, const T* x, T* y) {
  for (int64_t i = 0; i < rows && n > 0; ++i, x += n, y += n) {
    const double log_sum = log_sum_exp(n, x);
    for (int64_t j = 0; j < n; ++j) {
      y[j] = static_cast<T>(__builtin_exp(static_cast<double>(x[j]) - log_sum));
    }
  }
}

template <class T>
void log_softmax(int64_t rows, int64_t n, const T* x, T* y) {
  for (int64_t i = 0; i < rows && n > 0; ++i, x += n, y += n) {
    const double log_sum = log_sum_exp(n, x);
    for (int64_t j = 0; j < n; ++j) y[j] = static_cast<T>(static_cast<double>(x[j]) - log_sum);
  }
}

template <class T>
void softmax_gradient(int64_t rows, int64_t n, const T* y, const T* dy, T* dx) {
  for (int64_t i = 0; i < rows; ++i, y += n, dy += n, dx += n) {
    double dot = 0;
    for (int64_t j = 0; j < n; ++j) dot += static_cast<double>(dy[j]) * static_cast<double>(y[j]);
    for (int64_t j = 0; j < n; ++j) {
      dx[j] = static_cast<T>(static_cast<double>(y[j]) * (static_cast<double>(dy[j]) - dot));
    }
  }
}

template <class T>
void log_softmax_gradient(int64_t rows, int64_t n, const T* y, const T* dy, T* dx) {
  for (int64_t i = 0; i < rows; ++i, y += n, dy += n, dx += n) {
    double sum = 0;
    for (int64_t j = 0; j < n; ++j) sum += static_cast<double>(dy[j]);
    for (int64_t j = 0; j < n; ++j) {
      dx[j] = static_cast<T>(static_cast<double>(dy[j]) - __builtin_exp(static_cast<double>(y[j])) * sum);
    }
  }
}

template <class T>
double cross_entropy(int64_t rows, int64_t n, double smoothing, const T* y, const int64_t* label) {
  double loss = 0;
  for (int64_t i = 0; i < rows; ++i, y += n) {
    loss += (smoothing - 1) * static_cast<double>(y[label[i]]);
    if (smoothing == 0) continue;  // 0 * -infinity would not be 0
    double sum = 0;
    for (int64_t j = 0; j < n; ++j) sum += static_cast<double>(y[j]);
    loss -= smoothing / static_cast<double>(n) * sum;
  }
  return loss;
}

template <class T>
void cross_entropy_gradient(int64_t rows, int64_t n, double smoothing, double scale, const T* y,
                            const int64_t* label, T* dx) {
  const double spread = smoothing / static_cast<double>(n);
  for (int64_t i = 0; i < rows; ++i, y += n, dx += n) {
    for (int64_t j = 0; j < n; ++j) {
      const double target = spread + (j == label[i] ? 1 - smoothing : 0);
      dx[j] = static_cast<T>(scale * (__builtin_exp(static_cast<double>(y[j])) - target));
    }
  }
}

template <class T>
double squared_error(int64_t n, const T* y, const T* target) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) {
    const double difference = static_cast<double>(y[i]) - static_cast<double>(target[i]);
    sum += difference * difference;
  }
  return sum;
}

template <class T>
void squared_error_gradient(int64_t n, double scale, const T* y, const T* target, T* dy) {
  for (int64_t i = 0; i < n; ++i) {
    dy[i] = static_cast<T>(scale * (static_cast<double>(y[i]) - static_cast<double>(target[i])));
  }
}

template <class T>
inline constexpr SoftmaxKernels<T> kSoftmax = {
    softmax<T>,          log_softmax<T>,
    softmax_gradient<T>, log_softmax_gradient<T>,
    cross_entropy<T>,    cross_entropy_gradient<T>,
    squared_error<T>,    squared_error_gradient<T>,
};

}  // namespace pleat::kernels::reference
