#pragma once

#include <algorithm>

#include "ops/context.hpp"

namespace pleat {

/// Most taps of a window that is walked by rows.
inline constexpr int64_t kMostTaps = 169;

/// Outputs [first, first + row.outputs) of one row whose windows have the same taps inside the image.
template <class T>
struct WindowSegment {
  kernels::WindowRow<T> row;
  const int64_t* taps;  ///< ky*kernel_w + kx of each of row.taps
  int64_t first;
  int64_t padded_size;  ///< elements of the window inside the padded image
};

/// Calls body(segment) for output row i of a channels-last image x: the outputs whose windows lie inside from
/// left to right together, those at the edges one by one.
template <class T, class Body>
void for_window_segments(const kernels::PoolPlane& p, int64_t channels, int64_t i, const T* x, T* y,
                         const Body& body) {
  int64_t offsets[kMostTaps], taps[kMostTaps];
  const auto inside = [](int64_t begin, int64_t kernel, int64_t dilation, int64_t low, int64_t high) {
    int64_t count = 0;
    for (int64_t k = 0; k < kernel; ++k) count += begin + k * dilation >= low && begin + k * dilation < high;
    return count;
  };
  const int64_t top = i * p.stride_h - p.pad_h;
  const int64_t padded_rows = inside(top, p.kernel_h, p.dilation_h, -p.pad_h, p.in_h + p.pad_end_h);
  const int64_t reach = (p.kernel_w - 1) * p.dilation_w;
  const int64_t inner_begin = std::min(p.out_w, (p.pad_w + p.stride_w - 1) / p.stride_w);
  const int64_t inner_end = std::clamp((p.in_w - 1 - reach + p.pad_w) / p.stride_w + 1, inner_begin, p.out_w);
  const bool fits = p.in_w > reach;
  for (int64_t j = 0; j < p.out_w;) {
    const bool inner = fits && j >= inner_begin && j < inner_end;
    const int64_t left = j * p.stride_w - p.pad_w;
    int64_t count = 0;
    for (int64_t r = 0; r < p.kernel_h; ++r) {
      const int64_t row = top + r * p.dilation_h;
      if (row < 0 || row >= p.in_h) continue;
      for (int64_t c = 0; c < p.kernel_w; ++c) {
        const int64_t column = left + c * p.dilation_w;
        if (column < 0 || column >= p.in_w) continue;
        offsets[count] = (row * p.in_w + column) * channels;
        taps[count++] = r * p.kernel_w + c;
      }
    }
    const int64_t outputs = inner ? inner_end - j : 1;
    const kernels::WindowRow<T> row = {
        outputs, channels, count, x, p.stride_w * channels, offsets, y + (i * p.out_w + j) * channels,
        channels};
    body(WindowSegment<T>{
        row, taps, j, padded_rows * inside(left, p.kernel_w, p.dilation_w, -p.pad_w, p.in_w + p.pad_end_w)});
    j += outputs;
  }
}

/// Calls body(image, row of outputs) for all rows of all images, in parallel.
template <class Body>
void for_output_rows(const kernels::PoolPlane& p, int64_t images, int64_t channels, const Body& body) {
  const int64_t work = p.out_w * channels * p.kernel_h * p.kernel_w / 8;
  parallel_for(images * p.out_h, grain_for(work), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) body(i / p.out_h, i % p.out_h);
  });
}

}  // namespace pleat
