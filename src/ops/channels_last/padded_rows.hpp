#pragma once

#include <algorithm>

#include "ops/channels_last/geometry.hpp"
#include "ops/strided_copy.hpp"
#include "ops/window.hpp"

namespace pleat {

// What the windows of a channels-last image read, padding included.

inline bool is_padded(const ops::Window& w) {
  return w.pad_begin[0] > 0 || w.pad_begin[1] > 0 || w.pad_end[0] > 0 || w.pad_end[1] > 0;
}

/// Rows that `outputs` neighbouring rows of outputs read, and columns that all columns of outputs do.
inline int64_t read_rows(const ConvShape& shape, int64_t outputs) {
  return (outputs - 1) * shape.window.stride[0] + extent(shape.window, 0);
}
inline int64_t read_columns(const ConvShape& shape) {
  return (shape.out[1] - 1) * shape.window.stride[1] + extent(shape.window, 1);
}

/// The taps of a window: element l < depth of tap t is at offset(t) + l from the window's first. Those that
/// are neighbours in memory count as one.
struct RowTaps {
  int64_t count, depth;
  int64_t per_row, row_step, step;

  int64_t offset(int64_t t) const { return t / per_row * row_step + t % per_row * step; }
};
/// Over rows of an image that are `row_stride` elements apart, and its pixels `pixel_stride`.
inline RowTaps row_taps(const ConvShape& shape, int64_t row_stride, int64_t pixel_stride) {
  const ops::Window& w = shape.window;
  const int64_t channels = shape.groups * shape.in_channels;
  const bool joined = shape.groups == 1 && w.dilation[1] == 1 && pixel_stride == channels;
  const int64_t per_row = joined ? 1 : w.kernel[1];
  return {.count = w.kernel[0] * per_row,
          .depth = joined ? w.kernel[1] * channels : shape.in_channels,
          .per_row = per_row,
          .row_step = w.dilation[0] * row_stride,
          .step = w.dilation[1] * pixel_stride};
}

/// Rows [first, first + rows) of the padded image, read_columns(shape) pixels each, these `pixel_stride`
/// apart. Planar: the image is (C, H, W), and the copy's pixels follow one another.
template <class T>
void copy_padded_rows(const ConvShape& shape, bool planar, const T* image, int64_t first, int64_t rows,
                      int64_t pixel_stride, T* to) {
  const int64_t channels = shape.groups * shape.in_channels, width = read_columns(shape);
  const int64_t pad = shape.window.pad_begin[1], cut = std::max<int64_t>(0, -pad);
  const int64_t left = std::min(width, std::max<int64_t>(0, pad));
  const int64_t inside = std::min(width - left, shape.in[1] - cut), row_size = width * pixel_stride;
  for (int64_t r = 0; r < rows; ++r, to += row_size) {
    const int64_t row = first + r - shape.window.pad_begin[0];
    if (row < 0 || row >= shape.in[0]) {
      std::fill(to, to + row_size, T(0));
      continue;
    }
    T* const begin = to + left * pixel_stride;
    std::fill(to, begin, T(0));
    if (planar) {
      interleave(channels, inside, shape.in_plane(), image + row * shape.in[1] + cut, begin);
    } else {
      const T* from = image + (row * shape.in[1] + cut) * channels;
      if (pixel_stride == channels) {
        std::copy(from, from + inside * channels, begin);
      } else {
        for (int64_t p = 0; p < inside; ++p)
          std::copy_n(from + p * channels, channels, begin + p * pixel_stride);
      }
    }
    std::fill(begin + inside * pixel_stride, to + row_size, T(0));
  }
}

}  // namespace pleat
