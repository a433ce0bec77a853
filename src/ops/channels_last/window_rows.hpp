#pragma once

#include <algorithm>

#include "ops/channels_last/geometry.hpp"
#include "ops/context.hpp"

namespace pleat {

/// Most taps of a window that is walked by rows.
inline constexpr int64_t kMostTaps = 169;

/// The rows of a depthwise window that are inside the image: where they begin in x, and their weights.
struct DepthwiseRows {
  int64_t count = 0;
  int64_t x[kMostTaps], weights[kMostTaps];

  /// Of output row i; x begins at row `first`, rows are row_stride apart. With slots, row r is in r % slots.
  DepthwiseRows(const ConvShape& shape, int64_t i, int64_t first, int64_t row_stride, int64_t slots = 0) {
    const ops::Window& w = shape.window;
    for (int64_t r = 0; r < w.kernel[0]; ++r) {
      const int64_t row = i * w.stride[0] - w.pad_begin[0] + r * w.dilation[0];
      if (row < 0 || row >= shape.in[0]) continue;
      x[count] = (slots > 0 ? row % slots : row - first) * row_stride;
      weights[count++] = r * w.kernel[1] * shape.groups;
    }
  }
};

/// y(image, channel) = share * the sum over the parts of sums(image, part, channel); `offsets` is room for as
/// many numbers as there are parts.
template <class T>
void average_parts(const Context<T>& context, int64_t images, int64_t parts, int64_t channels, const T* sums,
                   T share, int64_t* offsets, T* y) {
  for (int64_t k = 0; k < parts; ++k) offsets[k] = k * channels;
  context.kernels.channels_last.average(
      {images, channels, parts, sums, parts * channels, offsets, y, channels}, share);
}

/// Output rows and channels that a task computes.
struct WindowBand {
  int64_t row_begin, row_end, channel_begin, channel_end;
};

/// Neighbouring outputs, along a row or down a column, whose windows have the same taps inside the image: the
/// first output's window begins at x + x_place, the output itself is at y + y_place.
struct WindowSegment {
  int64_t outputs, channels, taps;
  int64_t x_place, x_stride;
  const int64_t* offsets;
  int64_t y_place, y_stride;
  int64_t padded_size;  ///< elements of the window inside the padded image

  template <class T>
  kernels::WindowRow<T> row(const T* x, T* y) const {
    return {outputs, channels, taps, x + x_place, x_stride, offsets, y + y_place, y_stride};
  }
};

/// One dimension of a plane.
struct WindowAxis {
  int64_t in, kernel, stride, pad, pad_end, dilation;

  int64_t begin(int64_t output) const { return output * stride - pad; }
  int64_t reach() const { return (kernel - 1) * dilation; }
  bool inside(int64_t output) const { return begin(output) >= 0 && begin(output) + reach() < in; }
  bool tap_inside(int64_t output, int64_t k) const {
    return begin(output) + k * dilation >= 0 && begin(output) + k * dilation < in;
  }
  int64_t padded_taps(int64_t output) const {
    int64_t count = 0;
    for (int64_t k = 0; k < kernel; ++k) {
      const int64_t at = begin(output) + k * dilation;
      count += at >= -pad && at < in + pad_end;
    }
    return count;
  }
  /// Calls body(first, count) for the outputs [from, to): those whose windows lie inside together, the others
  /// one by one.
  template <class Body>
  void for_spans(int64_t from, int64_t to, const Body& body) const {
    for (int64_t first = from; first < to;) {
      int64_t count = 1;
      if (inside(first)) {
        while (first + count < to && inside(first + count)) ++count;
      }
      body(first, count);
      first += count;
    }
  }
};

/// The rows of a plane.
inline WindowAxis row_axis(const kernels::PoolPlane& p) {
  return {p.in_h, p.kernel_h, p.stride_h, p.pad_h, p.pad_end_h, p.dilation_h};
}

/// Calls body(segment) for the outputs of a band of a channels-last image.
template <class Body>
void for_window_segments(const kernels::PoolPlane& p, int64_t channels, const WindowBand& band,
                         const Body& body) {
  const WindowAxis rows = row_axis(p);
  const WindowAxis columns = {p.in_w, p.kernel_w, p.stride_w, p.pad_w, p.pad_end_w, p.dilation_w};
  const int64_t x_row = p.in_w * channels, y_row = p.out_w * channels;
  rows.for_spans(band.row_begin, band.row_end, [&](int64_t i, int64_t height) {
    columns.for_spans(0, p.out_w, [&](int64_t j, int64_t width) {
      int64_t offsets[kMostTaps];
      int64_t count = 0;
      for (int64_t r = 0; r < p.kernel_h; ++r) {
        if (!rows.tap_inside(i, r)) continue;
        for (int64_t c = 0; c < p.kernel_w; ++c) {
          if (!columns.tap_inside(j, c)) continue;
          offsets[count++] =
              (rows.begin(i) + r * p.dilation_h) * x_row + (columns.begin(j) + c * p.dilation_w) * channels;
        }
      }
      const bool down = height > width;
      const int64_t lines = down ? width : height;
      const int64_t x_down = p.stride_h * x_row, x_along = p.stride_w * channels;
      const int64_t padded = rows.padded_taps(i) * columns.padded_taps(j);
      for (int64_t line = 0; line < lines; ++line) {
        const int64_t pixel = down ? i * p.out_w + j + line : (i + line) * p.out_w + j;
        body(WindowSegment{.outputs = down ? height : width,
                           .channels = band.channel_end - band.channel_begin,
                           .taps = count,
                           .x_place = line * (down ? x_along : x_down) + band.channel_begin,
                           .x_stride = down ? x_down : x_along,
                           .offsets = offsets,
                           .y_place = pixel * channels + band.channel_begin,
                           .y_stride = down ? y_row : channels,
                           .padded_size = padded});
      }
    });
  });
}

/// How images are cut. The channels of a band are so few that the rows of a window stay in the second cache
/// while outputs pass by.
struct WindowBands {
  int64_t channels, blocks;  ///< of a band, at most; and how many bands share rows
  int64_t height, count;     ///< rows of a band, at most; and bands of an image that share channels

  WindowBands(const kernels::PoolPlane& p, int64_t images, int64_t all) {
    constexpr int64_t cached = 49152, line = 16;  // elements
    const int64_t fit = cached / std::max<int64_t>(1, p.kernel_h * p.in_w) / line * line;
    channels = std::min(all, std::max(line, fit));
    blocks = divide_up(all, channels);
    const int64_t wanted = divide_up(kTasks, std::max<int64_t>(1, images * blocks));
    height = std::max<int64_t>(1, divide_up(p.out_h, wanted));
    count = divide_up(p.out_h, height);
  }
};

/// Calls body(image, band) for bands that cover all images, in parallel.
template <class Body>
void for_window_bands(const kernels::PoolPlane& p, int64_t images, int64_t channels, const Body& body) {
  const WindowBands cut(p, images, channels);
  const int64_t block = cut.channels, blocks = cut.blocks, height = cut.height, bands = cut.count;
  const int64_t work = height * p.out_w * block * p.kernel_h * p.kernel_w / 8;
  parallel_for(images * bands * blocks, grain_for(work), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i / blocks % bands * height, channel = i % blocks * block;
      body(i / blocks / bands,
           WindowBand{row, std::min(row + height, p.out_h), channel, std::min(channel + block, channels)});
    }
  });
}

}  // namespace pleat
