#pragma once

#include "kernels/activation_reference.hpp"
#include "kernels/elementwise/contract.hpp"

namespace pleat::kernels::reference {

template <class T>
void activate_all(Activation activation, T alpha, int64_t n, const T* x, T* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = activate(activation, x[i], alpha);
}

/// act' by what is saved, with PyTorch's values at the kinks.
template <class T>
T slope(Activation activation, T saved, T alpha) {
  switch (activation) {
    case Activation::none:
      return 1;
    case Activation::relu:
      return saved <= 0 ? T(0) : T(1);
    case Activation::relu6:
      return saved <= 0 || saved >= 6 ? T(0) : T(1);
    case Activation::leaky_relu:
      return saved > 0 ? T(1) : alpha;
    case Activation::sigmoid:
      return saved * (1 - saved);
    case Activation::tanh:
      return (1 - saved) * (1 + saved);
    case Activation::silu: {
      const T s = activate(Activation::sigmoid, saved, T(0));
      return s * (1 + saved * (1 - s));
    }
    case Activation::hardswish:
      return saved < -3 ? T(0) : saved <= 3 ? saved / 3 + T(0.5) : T(1);
  }
  return 1;
}

template <class T>
void activate_gradient(Activation activation, T alpha, int64_t n, const T* saved, const T* dy, T* dx) {
  for (int64_t i = 0; i < n; ++i) dx[i] = dy[i] * slope(activation, saved[i], alpha);
}

template <class T>
void add(int64_t n, const T* a, const T* b, T* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = a[i] + b[i];
}

template <class T>
void fill(int64_t n, T value, T* y) {
  for (int64_t i = 0; i < n; ++i) y[i] = value;
}

/// 30 bits by two multiply-xorshift rounds (constants of Wellons' lowbias32 search), a half of the seed
/// before each.
inline uint32_t dropout_hash(uint64_t seed, int64_t position) {
  uint32_t h = static_cast<uint32_t>(position) * 0x9e3779b9u + static_cast<uint32_t>(seed);
  h = (h ^ (h >> 16)) * 0x7feb352du + static_cast<uint32_t>(seed >> 32);
  h = (h ^ (h >> 15)) * 0x846ca68bu;
  return h >> 2;
}

template <class T>
void dropout(const DropoutMask<T>& mask, int64_t first, int64_t n, const T* x, T* y) {
  for (int64_t i = 0; i < n; ++i) {
    y[i] = x[i] * (dropout_hash(mask.seed, first + i) >= mask.threshold ? mask.scale : T(0));
  }
}

template <class T>
inline constexpr ElementwiseKernels<T> kElementwise = {
    activate_all<T>, activate_gradient<T>, add<T>, fill<T>, dropout<T>,
};

}  // namespace pleat::kernels::reference
