#pragma once

#include <cstdint>

#include "kernels/activation.hpp"

namespace pleat::kernels {

/// Which elements a dropout keeps, and what the kept ones are multiplied by. An element's fate depends on the
/// seed and its position (modulo 2^32) only: the same on every instruction set.
template <class T>
struct DropoutMask {
  uint64_t seed;       ///< well mixed: neighbouring seeds give related masks
  uint32_t threshold;  ///< kept where the element's hash, below 2^30, is not below it: p * 2^30
  T scale;             ///< 1 / (1 - p)
};

/// An output may be any of its inputs. An element's bits do not depend on where in a call it stands.
template <class T>
struct ElementwiseKernels {
  /// y[i] = act(x[i])
  void (*activate)(Activation activation, T alpha, int64_t n, const T* x, T* y);
  /// dx[i] = dy[i] * act'(x[i]), where saved is x for silu, hardswish and none, and y = act(x) for the
  /// others. leaky_relu takes either, but x where alpha < 0.
  void (*activate_gradient)(Activation activation, T alpha, int64_t n, const T* saved, const T* dy, T* dx);
  /// y[i] = a[i] + b[i]
  void (*add)(int64_t n, const T* a, const T* b, T* y);
  /// y[i] = value
  void (*fill)(int64_t n, T value, T* y);
  /// y[i] = x[i] * (element first + i is kept ? scale : 0)
  void (*dropout)(const DropoutMask<T>& mask, int64_t first, int64_t n, const T* x, T* y);
};

}  // namespace pleat::kernels
