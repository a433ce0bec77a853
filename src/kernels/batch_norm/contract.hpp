#pragma once

#include <cstdint>

#include "kernels/activation.hpp"

namespace pleat::kernels {

/// A block of values: value i < length of plane p < planes stands at p * stride + i. Where coefficients are
/// `per_column`, each i has its own (data whose channels lie side by side: the planes are rows, and i a
/// column); else the whole block is of one channel, and the coefficient pointers point at one value. Where it
/// is `streamed`, results go past the caches, and planes begin at lines (64 bytes) of them.
struct PlaneBlock {
  int64_t planes = 0, stride = 0, length = 0;
  bool per_column = false, streamed = false;
  int64_t values() const { return planes * length; }
};

/// What normalizes: z = (x - center) * scale + shift. Subtracting first keeps every digit where the mean is
/// large; what `center` lost by rounding is in `shift`.
template <class T>
struct Coefficients {
  const T *center, *scale, *shift;
};

/// dy' = dy where the activation let z through, else 0 (relu: z > 0; relu6: 0 < z < 6; no other kinds). z is
/// computed from x again where `y` is null (then x is read unless activation is none); else y is z clamped.
template <class T>
struct MaskedGradient {
  const T *x, *dy, *y;
  Coefficients<T> coefficients;
  Activation activation;
};

template <class T>
struct BatchNormKernels {
  /// Of a block of one channel: mean, and m2 = sum (x - mean)^2. Exact to about 1e-7 relative in m2 for up to
  /// 4096 values however large the mean (at most nine times that, where the first values are unlike the
  /// rest): deviations are summed from the mean of the first eighth of the values.
  void (*statistics)(const T* x, PlaneBlock block, double* mean, double* m2);

  /// The same of each column i: mean[i], m2[i] over the planes. Up to about 128 planes.
  void (*column_statistics)(const T* x, PlaneBlock block, double* mean, double* m2);

  /// y = act(z + residual); residual may be null. x, residual and y share the block's strides. y may be x or
  /// residual, but where it is streamed.
  void (*normalize)(const T* x, const T* residual, T* y, PlaneBlock block, Coefficients<T> coefficients,
                    Activation activation, T alpha);

  /// sum_dy = sum dy', sum_dy_x = sum dy' * (x - center); per_column: one of each a column.
  void (*gradient_sums)(const MaskedGradient<T>& gradient, PlaneBlock block, double* sum_dy,
                        double* sum_dy_x);

  /// dx = scale * dy' + slope * (x - center) + offset, and dresidual = dy'; either output may be null. slope
  /// and offset both null: dx = scale * dy'. dx may be x, dy or y; dresidual none of what dx is.
  void (*input_gradient)(const MaskedGradient<T>& gradient, const T* slope, const T* offset, T* dx,
                         T* dresidual, PlaneBlock block);
};

}  // namespace pleat::kernels
