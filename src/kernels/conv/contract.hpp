#pragma once

#include <cstdint>

#include "kernels/gemm/contract.hpp"

namespace pleat::kernels {

// Convolutions read a spread image: each plane padded and, where the stride is above 1, split by
// phase, so that what one tap gives to a row of outputs is a run of neighbours. Output (r, q) of tap l reads
// x[offsets[l] + r*pitch + q]; taps of several channels differ by their planes' distance.

/// How one plane is spread: out[((py*rows + r)*phases_x + px)*pitch + q] =
///   in[(r*stride_y + py - pad_y)*width + q*stride_x + px - pad_x], `pad` where that is outside the plane,
/// for py < phases_y, r < rows, px < phases_x, q < pitch. Zeros follow up to `size`. Pads may be negative.
struct Spread {
  int64_t height, width;
  int64_t pad_y, pad_x, stride_y, stride_x;
  int64_t phases_y, phases_x, rows, pitch;
  int64_t size;
};

/// y[i*y_stride + r*y_pitch + q] = act((accumulate ? y : 0) + sum_l w[i,l] x[offsets[l] + r*x_pitch + q]
///   + row_bias[i] + residual[i*residual_stride + r*y_pitch + q]) for i < channels, r < rows, q < width.
/// Each sum runs over l in order. x may be read up to lanes-1 elements past each run.
template <class T>
struct Correlation {
  int64_t channels, taps, rows, width;
  const T* weights;
  const T* x;
  const int64_t* offsets;
  int64_t x_pitch;
  T* y;
  int64_t y_stride, y_pitch;
  bool accumulate;
  const Epilogue<T>* epilogue;  ///< null: none; without column_bias
};

/// dw[i*dw_stride + l] = (accumulate ? dw : 0) + sum over n < images, r < rows, q < width of
///   dy[n*dy_image + i*dy_stride + r*dy_pitch + q] * x[n*x_image + offsets[l] + r*x_pitch + q]
/// for i < channels, l < taps. The order of the sum depends on the sizes only. x may be read up to lanes-1
/// elements past each run, and must be finite there.
template <class T>
struct WeightCorrelation {
  int64_t images, channels, taps, rows, width;
  const T* dy;
  int64_t dy_image, dy_stride, dy_pitch;
  const T* x;
  const int64_t* offsets;
  int64_t x_image, x_pitch;
  T* dw;
  int64_t dw_stride;
  bool accumulate;
};

template <class T>
struct ConvKernels {
  int64_t lanes;  ///< elements of a vector
  int64_t tile;   ///< output channels that `correlate` computes at once

  void (*spread)(const Spread& spread, const T* in, T pad, T* out);
  /// weights: [ceil(channels/tile)][taps][tile], zeros past the last channel (GemmKernels::pack_a's layout).
  void (*correlate)(const Correlation<T>& c);
  /// The same for one channel: weights [taps]; y_stride is not used.
  void (*correlate_plane)(const Correlation<T>& c);
  void (*correlate_weights)(const WeightCorrelation<T>& c);
  /// GemmKernels' packed B of the implicit matrix: packed[p][l][j] = x[offsets[l] + (n/width)*pitch +
  /// n%width], n = first + p*nr + j, for l < taps, n < last; zeros for the rest of the last panel. nr is a
  /// multiple of lanes. x may be read up to lanes-1 elements past each run, packed written lanes-1 past its
  /// end.
  void (*pack_columns)(int64_t nr, int64_t taps, const int64_t* offsets, const T* x, int64_t width,
                       int64_t pitch, int64_t first, int64_t last, T* packed);
};

}  // namespace pleat::kernels
