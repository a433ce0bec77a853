#pragma once

#include "kernels/simd.hpp"

namespace pleat::kernels {
namespace {

/// body(load, store, c, ...) for each vector of channels, the last one in part.
template <class Body>
PLEAT_INLINE void for_channels(int64_t channels, const Body& body) {
  const auto whole = [](const float* p) PLEAT_LAMBDA_INLINE { return load(p); };
  const auto write = [](float* p, Vec v) PLEAT_LAMBDA_INLINE { store(p, v); };
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) body(c, whole, write);
  if (const int64_t left = channels - c; left > 0) {
    body(
        c, [left](const float* p) PLEAT_LAMBDA_INLINE { return load_n(p, left); },
        [left](float* p, Vec v) PLEAT_LAMBDA_INLINE { store_n(p, v, left); });
  }
}

/// The first channel of a pixel in the last of a window's rows: of a DepthwiseRow or DepthwiseWeights.
template <class Row>
PLEAT_INLINE const float* last_row_pixel(const Row& d, int64_t column, int64_t pixel_stride) {
  return d.x + (d.rows > 0 ? d.x_rows[d.rows - 1] : 0) + column * pixel_stride;
}

/// Asks for a line of channels of the next pixels. Rows that come from memory are read a little of each pixel
/// at a time, which hardware does not foresee.
template <int Pixels>
PLEAT_INLINE void prefetch_pixels(const float* next, int64_t pixel_stride, int64_t c) {
  constexpr int64_t line = 64 / sizeof(float);
  if (c % line != 0) return;
  unroll<Pixels>([&](auto i) PLEAT_LAMBDA_INLINE { __builtin_prefetch(next + i * pixel_stride + c); });
}

}  // namespace
}  // namespace pleat::kernels
