#pragma once

#include <cstdint>

#include "kernels/gemm/contract.hpp"

namespace pleat::kernels {

// Kernels of channels-last data: the channels of a pixel are neighbours in memory, so what a window sums, it
// sums for a vector of channels at once. Epilogues here have no row_bias; column_bias is one value a channel.

/// y[i*y_stride + j] = act(sum over t < taps, l < depth of x[pixels[i] + offsets[t] + l] * w[t*depth + l, j]
///   + column_bias[j] + residual[i*residual_stride + j]) for i < rows, j < columns.
/// Without a list of pixels these are i*pixel_stride, which is faster. w is one matrix (taps*depth, columns),
/// packed by GemmKernels::pack_b. Each sum runs over t, then l, in order. The epilogue may be null. Streamed
/// results go past the caches: y and its rows begin at lines (64 bytes), columns fill them, and the
/// activation, if any, only bounds.
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
  int64_t pixel_stride = 0;
  bool streamed = false;
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

/// The inputs' gradient of such windows; dx lies as x does, dy as y. Windows overlap: outputs come in order.
template <class T>
struct WindowGradient {
  int64_t outputs, channels, taps;
  const T* x;  ///< read by max_gradient only, and so is y
  int64_t x_stride;
  const int64_t* offsets;
  const T *y, *dy;
  int64_t y_stride;
  T* dx;
};

/// A row of outputs with a weight of their own for each channel: y[q*y_stride + c] = act(sum over r < rows,
/// k < kernel of x[x_rows[r] + column*x_stride + c] * weights[weight_rows[r] + k*weight_stride + c]
///   + column_bias[c] + residual), column = q*stride - pad + k*dilation, those outside [0, columns) left out.
/// The order of a sum depends on the row's sizes alone. The residual has y's stride, and is not y itself.
template <class T>
struct DepthwiseRow {
  int64_t outputs, channels;
  int64_t x_stride, weight_stride, y_stride;  ///< from pixel to pixel, from tap to tap
  int64_t kernel, stride, dilation, pad, columns;
  int64_t rows;  ///< of the window inside the image
  const T* x;
  const int64_t* x_rows;
  const T* weights;
  const int64_t* weight_rows;
  T* y;
  const Epilogue<T>* epilogue;
};

/// The weights' gradient over such a row: dw[weight_rows[r] + k*pixel_stride + c] += sum over q of
/// x[x_rows[r] + column*pixel_stride + c] * dy[q*pixel_stride + c], in order.
template <class T>
struct DepthwiseWeights {
  int64_t outputs, channels;
  int64_t pixel_stride;  ///< in x, dy and dw
  int64_t kernel, stride, dilation, pad, columns;
  int64_t rows;
  const T* x;
  const int64_t* x_rows;
  const T* dy;
  T* dw;
  const int64_t* weight_rows;
};

/// Rows of pixels as GemmKernels::pack_a has the matrix A (channels, pixels): packed[(c/mr*pixels + p)*mr +
/// c%mr] = x[places[p] + c] for c < channels; zero where places[p] < 0, and past the last channel.
template <class T>
struct PixelPanels {
  int64_t pixels, channels;
  const T* x;
  const int64_t* places;
  T* packed;
};

/// Winograd's minimal filtering F(m x m, 3 x 3) for m = 2 or 4 (Lavin & Gray 2016, "Fast Algorithms for
/// Convolutional Neural Networks"): a tile of m x m outputs is transformed from (m+2) x (m+2) products. Here
/// and below `tiles` are neighbours in a row of tiles, each m pixels on; their other fields are the first
/// tile's. What lies outside the rows [row_begin, row_end) and columns [column_begin, column_end) of an input
/// tile is zero and not read: out[t*tile_stride + e*out_stride + c] is element e of tile t, transformed.
template <class T>
struct WinogradInput {
  int64_t m, tiles, channels;
  const T* x;
  int64_t row_stride, pixel_stride;
  int64_t row_begin, row_end, column_begin, column_end;
  T* out;
  int64_t out_stride, tile_stride;
};
/// y[r*row_stride + q*pixel_stride + c], r < rows <= m, q < columns, from in[t*tile_stride + e*in_stride + c]
/// where t = q / m: `columns` are those of all tiles. The residual has y's strides.
template <class T>
struct WinogradOutput {
  int64_t m, tiles, channels;
  const T* in;
  int64_t in_stride, tile_stride;
  T* y;
  int64_t row_stride, pixel_stride;
  int64_t rows, columns;
  const Epilogue<T>* epilogue;
};
/// u[e*u_stride + j] from w[t*w_stride + j], j < count: filters of 3 x 3 taps t become (m+2) x (m+2) elements
/// e, u = G w G^T; and back, the gradient of that: w = G^T u G.
template <class T>
struct WinogradFilter {
  int64_t m, count;
  const T* from;
  int64_t from_stride;
  T* to;
  int64_t to_stride;
};
/// The gradient of WinogradOutput without an epilogue: out[t*tile_stride + e*out_stride + c] from dy, zero
/// outside of it.
template <class T>
struct WinogradOutputGradient {
  int64_t m, tiles, channels;
  const T* dy;
  int64_t row_stride, pixel_stride;
  int64_t rows, columns;
  T* out;
  int64_t out_stride, tile_stride;
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
  void (*winograd_filter)(const WinogradFilter<T>& filter);
  // What training adds.
  void (*winograd_output_gradient)(const WinogradOutputGradient<T>& tile);
  void (*winograd_filter_gradient)(const WinogradFilter<T>& filter);
  void (*pack_pixels)(const PixelPanels<T>& panels);
  void (*depthwise_weights)(const DepthwiseWeights<T>& row);
  /// dx[first tap that equals y, or is NaN] += dy.
  void (*max_gradient)(const WindowGradient<T>& gradient);
  /// dx[each tap] += factor * dy.
  void (*average_gradient)(const WindowGradient<T>& gradient, T factor);
};

}  // namespace pleat::kernels
