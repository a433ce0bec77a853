#pragma once

#include <cstdint>

#include "kernels/gemm/contract.hpp"

namespace pleat::kernels {

// Kernels of channels-last data: the channels of a pixel are neighbours in memory, so what a window sums, it
// sums for a vector of channels at once. Epilogues here have no row_bias; column_bias is one value a channel.

/// y[i*y_stride + j] = act(sum over t < taps, l < depth of x[pixels[i] + offsets[t] + l] * w[t*depth + l, j]
///   + column_bias[j] + residual[i*residual_stride + j]) for i < rows, j < columns.
/// w is one matrix (taps*depth, columns), packed by GemmKernels::pack_b. Each sum runs over t, then l, in
/// order. The epilogue may be null.
template <class T>
struct TapProduct {
  int64_t rows, columns, taps, depth;
  const T* x;
  const int64_t* pixels;
  const int64_t* offsets;
  const T* weights;
  T* y;
  int64_t y_stride;
  const Epilogue<T>* epilogue;
};

/// The windows of neighbouring outputs: tap t of output q has the channels x[q*x_stride + offsets[t] + c],
/// c < channels, and gives to y[q*y_stride + c].
template <class T>
struct WindowRow {
  int64_t outputs, channels, taps;
  const T* x;
  int64_t x_stride;
  const int64_t* offsets;
  T* y;
  int64_t y_stride;
};

/// A row of outputs with a weight of their own for each channel: y[q*y_stride + c] = act(sum over r < rows,
/// k < kernel of x[x_rows[r] + column*x_stride + c] * weights[weight_rows[r] + k*y_stride + c]
///   + column_bias[c] + residual), column = q*stride - pad + k*dilation, those outside [0, columns) left out.
/// Each sum runs over r, then k, in order. The residual has y's stride, and is not y itself.
template <class T>
struct DepthwiseRow {
  int64_t outputs, channels;
  int64_t x_stride, y_stride;  ///< from pixel to pixel; y's is the weights' too
  int64_t kernel, stride, dilation, pad, columns;
  int64_t rows;  ///< of the window inside the image
  const T* x;
  const int64_t* x_rows;
  const T* weights;
  const int64_t* weight_rows;
  T* y;
  const Epilogue<T>* epilogue;
};

/// Winograd's minimal filtering F(m x m, 3 x 3) for m = 2 or 4 (Lavin & Gray 2016, "Fast Algorithms for
/// Convolutional Neural Networks"): a tile of m x m outputs is transformed from (m+2) x (m+2) products.
/// What lies outside the rows [row_begin, row_end) and columns [column_begin, column_end) of an input tile is
/// zero and not read: out[e*out_stride + c] is element e of the transformed tile.
template <class T>
struct WinogradInput {
  int64_t m, channels;
  const T* x;
  int64_t row_stride, pixel_stride;
  int64_t row_begin, row_end, column_begin, column_end;
  T* out;
  int64_t out_stride;
};
/// y[r*row_stride + q*pixel_stride + c], r < rows <= m, q < columns <= m, from in[e*in_stride + c]; the
/// residual has y's strides.
template <class T>
struct WinogradOutput {
  int64_t m, channels;
  const T* in;
  int64_t in_stride;
  T* y;
  int64_t row_stride, pixel_stride;
  int64_t rows, columns;
  const Epilogue<T>* epilogue;
};

template <class T>
struct ChannelsLastKernels {
  void (*product)(const TapProduct<T>& p);
  void (*depthwise)(const DepthwiseRow<T>& row);
  /// y = the largest tap; NaN where there is one. At least one tap.
  void (*max)(const WindowRow<T>& row);
  /// y = factor * sum of the taps, 32 of them at a time.
  void (*average)(const WindowRow<T>& row, T factor);
  void (*winograd_input)(const WinogradInput<T>& tile);
  void (*winograd_output)(const WinogradOutput<T>& tile);
};

}  // namespace pleat::kernels
