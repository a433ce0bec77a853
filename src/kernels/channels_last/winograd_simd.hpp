#pragma once

#include "kernels/channels_last/channels.hpp"
#include "kernels/channels_last/contract.hpp"
#include "kernels/channels_last/winograd.hpp"
#include "kernels/gemm/simd.hpp"

namespace pleat::kernels {
namespace {

// ---- Tiles

// Fields and addresses are copied before the loop: a stored vector may be anything, also what a reference
// refers to, which would be read again.

/// The columns of read(row, column), From x From, and then the rows of what they became, To of each: to
/// write(row, column, value).
template <int From, int To, class Transform, class Read, class Write>
PLEAT_INLINE void transform_tile(const Transform& transform, const Read& read, const Write& write) {
  constexpr int most = From > To ? From : To;
  Vec rows[To][most];
  unroll<From>([&](auto q) PLEAT_LAMBDA_INLINE {
    Vec column[most];
    unroll<From>([&](auto r) PLEAT_LAMBDA_INLINE { column[r] = read(r, q); });
    transform(column);
    unroll<To>([&](auto r) PLEAT_LAMBDA_INLINE { rows[r][q] = column[r]; });
  });
  unroll<To>([&](auto r) PLEAT_LAMBDA_INLINE {
    transform(rows[r]);
    unroll<To>([&](auto q) PLEAT_LAMBDA_INLINE { write(r, q, rows[r][q]); });
  });
}

/// A tile of an image: what lies outside the rows and columns is zero and not read.
struct TilePixels {
  const float* x;
  int64_t row_stride, pixel_stride;
  int64_t row_begin, row_end, column_begin, column_end;
};

// out[e*out_stride + c]: element e of the tile, To x To, from From x From pixels. Inner: all are inside.
template <int From, int To, bool Inner, class Transform>
PLEAT_INLINE void transform_pixels(const TilePixels& tile, int64_t channels, float* const out,
                                   const int64_t out_stride, const Transform& transform) {
  const float* const x = tile.x;
  const int64_t row_stride = tile.row_stride, pixel_stride = tile.pixel_stride;
  const int64_t row_begin = tile.row_begin, row_end = tile.row_end;
  const int64_t column_begin = tile.column_begin, column_end = tile.column_end;
  for_channels(channels, [=](int64_t c, const auto& load, const auto& store) PLEAT_LAMBDA_INLINE {
    float* to = out + c;
    transform_tile<From, To>(
        transform,
        [=](auto r, auto q) PLEAT_LAMBDA_INLINE {
          const bool inside = Inner || (r >= row_begin && r < row_end && q >= column_begin && q < column_end);
          return inside ? load(x + r * row_stride + q * pixel_stride + c) : Vec(0.0f);
        },
        [=, &to](auto, auto, Vec element) PLEAT_LAMBDA_INLINE {
          store(to, element);
          to += out_stride;
        });
  });
}
template <int From, int To, class Transform>
PLEAT_INLINE void transform_pixels(const TilePixels& tile, int64_t channels, float* out, int64_t out_stride,
                                   const Transform& transform) {
  const bool inner =
      tile.row_begin <= 0 && tile.row_end >= From && tile.column_begin <= 0 && tile.column_end >= From;
  inner ? transform_pixels<From, To, true>(tile, channels, out, out_stride, transform)
        : transform_pixels<From, To, false>(tile, channels, out, out_stride, transform);
}

/// Asks for M x M pixels from `next` on, of the tile below, to read or to write them: rows that come from
/// memory are passed a few pixels at a time, which hardware does not foresee.
template <int M, bool Write>
PLEAT_INLINE void prefetch_tile(const float* next, int64_t row_stride, int64_t pixel_stride,
                                int64_t channels) {
  constexpr int64_t line = 64 / sizeof(float);
  for (int64_t r = 0; r < M; ++r) {
    for (int64_t q = 0; q < M; ++q) {
      const float* pixel = next + r * row_stride + q * pixel_stride;
      for (int64_t c = 0; c < channels; c += line) __builtin_prefetch(pixel + c, Write);
    }
  }
}

// Full: the image has all M x M outputs.
template <int M, bool Full>
PLEAT_INLINE void winograd_output_tile(const WinogradOutput<float> tile, const Epilogue<float> e) {
  constexpr int n = Winograd<M>::kTile;
  const TileOutput out = tile_output(tile.y, tile.pixel_stride, false, &e);
  const Vec low(out.low), high(out.high);
  for_channels(tile.channels, [=](int64_t c, const auto& load, const auto& store) PLEAT_LAMBDA_INLINE {
    const Vec bias = e.column_bias != nullptr ? load(e.column_bias + c) : Vec(0.0f);
    transform_tile<n, M>([](Vec* line) PLEAT_LAMBDA_INLINE { Winograd<M>::template output<float>(line); },
                         [=](auto r, auto q)
                             PLEAT_LAMBDA_INLINE { return load(tile.in + (r * n + q) * tile.in_stride + c); },
                         [=](auto r, auto q, Vec sum) PLEAT_LAMBDA_INLINE {
                           if (!Full && (r >= tile.rows || q >= tile.columns)) return;
                           const int64_t at = r * tile.row_stride + q * tile.pixel_stride + c;
                           sum += bias;
                           if (e.residual != nullptr) sum += load(e.residual + at);
                           store(tile.y + at, xsimd::min(high, xsimd::max(low, sum)));
                         });
  });
  for (int64_t r = 0; out.later && r < tile.rows; ++r) {
    activate_block(e.activation, e.alpha, tile.y + r * tile.row_stride, tile.pixel_stride, tile.columns,
                   tile.channels);
  }
}

template <int M>
PLEAT_INLINE void winograd_input_of(const WinogradInput<float>& tiles) {
  constexpr int n = Winograd<M>::kTile;
  for_tiles<M>(tiles, [](const WinogradInput<float>& t) PLEAT_LAMBDA_INLINE {
    prefetch_tile<M, false>(t.x + n * t.row_stride + t.pixel_stride, t.row_stride, t.pixel_stride,
                            t.channels);
    transform_pixels<n, n>(
        {t.x, t.row_stride, t.pixel_stride, t.row_begin, t.row_end, t.column_begin, t.column_end}, t.channels,
        t.out, t.out_stride, [](Vec* line) PLEAT_LAMBDA_INLINE { Winograd<M>::template input<float>(line); });
  });
}
inline void winograd_input(const WinogradInput<float>& tiles) {
  tiles.m == 2 ? winograd_input_of<2>(tiles) : winograd_input_of<4>(tiles);
}

template <int M>
PLEAT_INLINE void winograd_output_of(const WinogradOutput<float>& tiles) {
  for_tiles<M>(tiles, [](const WinogradOutput<float>& t, const Epilogue<float>& e) PLEAT_LAMBDA_INLINE {
    prefetch_tile<M, true>(t.y + M * t.row_stride, t.row_stride, t.pixel_stride, t.channels);
    const bool full = t.rows == M && t.columns == M;
    full ? winograd_output_tile<M, true>(t, e) : winograd_output_tile<M, false>(t, e);
  });
}
inline void winograd_output(const WinogradOutput<float>& tiles) {
  tiles.m == 2 ? winograd_output_of<2>(tiles) : winograd_output_of<4>(tiles);
}

template <int M>
PLEAT_INLINE void winograd_output_gradient_of(const WinogradOutputGradient<float>& tiles) {
  for_tiles<M>(tiles, [](const WinogradOutputGradient<float>& t) PLEAT_LAMBDA_INLINE {
    prefetch_tile<M, false>(t.dy + M * t.row_stride, t.row_stride, t.pixel_stride, t.channels);
    transform_pixels<M, Winograd<M>::kTile>(
        {t.dy, t.row_stride, t.pixel_stride, 0, t.rows, 0, t.columns}, t.channels, t.out, t.out_stride,
        [](Vec* line) PLEAT_LAMBDA_INLINE { Winograd<M>::template output_gradient<float>(line); });
  });
}
inline void winograd_output_gradient(const WinogradOutputGradient<float>& tiles) {
  tiles.m == 2 ? winograd_output_gradient_of<2>(tiles) : winograd_output_gradient_of<4>(tiles);
}

// ---- Filters

template <int M>
PLEAT_INLINE void winograd_filter_of(const WinogradFilter<float>& f) {
  constexpr int n = Winograd<M>::kTile;
  for_channels(f.count, [&](int64_t j, const auto& read, const auto& write) PLEAT_LAMBDA_INLINE {
    Vec w[3][3], u[n][n];
    for (int t = 0; t < 9; ++t) w[t / 3][t % 3] = read(f.from + t * f.from_stride + j);
    winograd_filter_tile<M, float>(w, u);
    for (int e = 0; e < n * n; ++e) write(f.to + e * f.to_stride + j, u[e / n][e % n]);
  });
}
inline void winograd_filter(const WinogradFilter<float>& f) {
  f.m == 2 ? winograd_filter_of<2>(f) : winograd_filter_of<4>(f);
}

template <int M>
PLEAT_INLINE void winograd_filter_gradient_of(const WinogradFilter<float>& f) {
  constexpr int n = Winograd<M>::kTile;
  for_channels(f.count, [&](int64_t j, const auto& read, const auto& write) PLEAT_LAMBDA_INLINE {
    Vec w[3][3], u[n][n];
    for (int e = 0; e < n * n; ++e) u[e / n][e % n] = read(f.from + e * f.from_stride + j);
    winograd_filter_gradient_tile<M, float>(u, w);
    for (int t = 0; t < 9; ++t) write(f.to + t * f.to_stride + j, w[t / 3][t % 3]);
  });
}
inline void winograd_filter_gradient(const WinogradFilter<float>& f) {
  f.m == 2 ? winograd_filter_gradient_of<2>(f) : winograd_filter_gradient_of<4>(f);
}

}  // namespace
}  // namespace pleat::kernels
