#pragma once

#include <limits>

#include "kernels/pool/contract.hpp"

namespace pleat::kernels::reference {

/// body(offset of the element in x) for the elements of the window of y[i,j] inside the plane, in order.
template <class Body>
void for_window(const PoolPlane& p, int64_t i, int64_t j, const Body& body) {
  for (int64_t r = 0; r < p.kernel_h; ++r) {
    for (int64_t c = 0; c < p.kernel_w; ++c) {
      const int64_t row = i * p.stride_h - p.pad_h + r * p.dilation_h;
      const int64_t column = j * p.stride_w - p.pad_w + c * p.dilation_w;
      if (row >= 0 && row < p.in_h && column >= 0 && column < p.in_w) body(row * p.in_w + column);
    }
  }
}

template <class T>
void max_pool(const PoolPlane& p, const T* x, T* y, T*) {
  for (int64_t i = 0; i < p.out_h; ++i) {
    for (int64_t j = 0; j < p.out_w; ++j) {
      T m = -std::numeric_limits<T>::infinity();
      for_window(p, i, j, [&](int64_t k) { m = x[k] > m || x[k] != x[k] ? x[k] : m; });
      y[i * p.out_w + j] = m;
    }
  }
}

template <class T>
void max_pool_gradient(const PoolPlane& p, const T* x, const T* y, const T* dy, T* dx, T*) {
  for (int64_t k = 0; k < p.in_h * p.in_w; ++k) dx[k] = 0;
  for (int64_t i = 0; i < p.out_h; ++i) {
    for (int64_t j = 0; j < p.out_w; ++j) {
      const int64_t out = i * p.out_w + j;
      int64_t first = -1;
      for_window(p, i, j, [&](int64_t k) {
        if (first < 0 && (x[k] == y[out] || x[k] != x[k])) first = k;
      });
      if (first >= 0) dx[first] += dy[out];
    }
  }
}

template <class T>
T pool_divisor(const PoolPlane& p, bool count_padding, int64_t i, int64_t j) {
  PoolPlane counted = p;
  if (count_padding) {
    counted.in_h += p.pad_h + p.pad_end_h;
    counted.in_w += p.pad_w + p.pad_end_w;
    counted.pad_h = counted.pad_w = 0;
  }
  int64_t count = 0;
  for_window(counted, i, j, [&](int64_t) { ++count; });
  return static_cast<T>(count > 0 ? count : 1);
}

template <class T>
void average_pool(const PoolPlane& p, bool count_padding, const T* x, T* y, T*) {
  for (int64_t i = 0; i < p.out_h; ++i) {
    for (int64_t j = 0; j < p.out_w; ++j) {
      double sum = 0;
      for_window(p, i, j, [&](int64_t k) { sum += x[k]; });
      y[i * p.out_w + j] = static_cast<T>(sum) / pool_divisor<T>(p, count_padding, i, j);
    }
  }
}

template <class T>
void average_pool_gradient(const PoolPlane& p, bool count_padding, const T* dy, T* dx, T*) {
  for (int64_t k = 0; k < p.in_h * p.in_w; ++k) dx[k] = 0;
  for (int64_t i = 0; i < p.out_h; ++i) {
    for (int64_t j = 0; j < p.out_w; ++j) {
      const T share = dy[i * p.out_w + j] / pool_divisor<T>(p, count_padding, i, j);
      for_window(p, i, j, [&](int64_t k) { dx[k] += share; });
    }
  }
}

template <class T>
T mean(int64_t n, const T* x) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += x[i];
  return static_cast<T>(sum / static_cast<double>(n));
}

template <class T>
inline constexpr PoolKernels<T> kPool = {
    max_pool<T>, max_pool_gradient<T>, average_pool<T>, average_pool_gradient<T>, mean<T>,
};

}  // namespace pleat::kernels::reference
