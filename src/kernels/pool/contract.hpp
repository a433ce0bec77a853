#pragma once

#include <cstdint>

namespace pleat::kernels {

/// Windows over one plane x (in_h, in_w), y (out_h, out_w): the window of y[i,j] has the elements
/// x[i*stride_h - pad_h + r*dilation_h, j*stride_w - pad_w + c*dilation_w], 0 <= r < kernel_h, 0 <= c <
/// kernel_w, as far as they are inside the plane.
struct PoolPlane {
  int64_t in_h, in_w, out_h, out_w;
  int64_t kernel_h, kernel_w, stride_h, stride_w, dilation_h, dilation_w;
  int64_t pad_h, pad_w;          ///< before the first row, column
  int64_t pad_end_h, pad_end_w;  ///< after the last; windows may reach further
};

/// Columns of a row with its padding, as far as windows reach.
[[gnu::always_inline]] inline int64_t padded_width(const PoolPlane& p) {
  const int64_t reached = (p.out_w - 1) * p.stride_w + (p.kernel_w - 1) * p.dilation_w + 1;
  const int64_t given = p.pad_w + p.in_w;
  return reached > given ? reached : given;
}
/// Elements of scratch that the kernels of a plane need.
[[gnu::always_inline]] inline int64_t pool_scratch(const PoolPlane& p) {
  constexpr int64_t kMaxLanes = 16;
  return 3 * (padded_width(p) + (p.kernel_w - 1) * p.dilation_w + (p.stride_w + 1) * 2 * kMaxLanes);
}

/// x, dx: a plane's in_h * in_w elements; y, dy: its out_h * out_w. scratch: pool_scratch elements.
template <class T>
struct PoolKernels {
  /// y[i,j] = max of the window; NaN where it has one, -infinity where it is empty.
  void (*max)(const PoolPlane& plane, const T* x, T* y, T* scratch);
  /// dx = 0; dx[first element of the window that equals y[i,j], or is NaN] += dy[i,j], for i, j in order.
  void (*max_gradient)(const PoolPlane& plane, const T* x, const T* y, const T* dy, T* dx, T* scratch);
  /// y[i,j] = sum of the window / the number of its elements inside the plane, or where count_padding is set
  /// inside the padded plane
  void (*average)(const PoolPlane& plane, bool count_padding, const T* x, T* y, T* scratch);
  /// dx[r,c] = sum over the windows with x[r,c] of dy[i,j] / the divisor above
  void (*average_gradient)(const PoolPlane& plane, bool count_padding, const T* dy, T* dx, T* scratch);
  /// sum of x[0..n) / n, summed in double over pieces of at most 1024 elements
  T (*mean)(int64_t n, const T* x);
};

}  // namespace pleat::kernels
