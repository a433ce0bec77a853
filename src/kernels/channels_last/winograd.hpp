#pragma once

#include <cstdint>

#include "kernels/channels_last/contract.hpp"

namespace pleat::kernels {
namespace {

// Winograd's transforms along one dimension, for any type V that arithmetic and a broadcast from T are for.
// With the interpolation points 0, +-a, +-b and infinity of F(4,3), or 0, +-1 and infinity of F(2,3), row p
// of the input transform holds the coefficients of the product of (x - q) over the other points q, the output
// transform's the powers of p, and the filter's 1, p, p^2 over the product of (p - q).

// Points whose squares multiply to one keep the rounding errors of all six products alike.
inline constexpr double kPointA = 0.70710678118654752, kPointB = 1.41421356237309505;

template <int M>
struct Winograd;

template <>
struct Winograd<2> {
  static constexpr int kTile = 4;
  static constexpr double kFilter[kTile][3] = {{-1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};

  template <class T, class V>
  [[gnu::always_inline]] static void input(V* d) {
    const V d0 = d[0], d1 = d[1], d2 = d[2], d3 = d[3];
    d[0] = d2 - d0;
    d[1] = d2 + d1;
    d[2] = d2 - d1;
    d[3] = d3 - d1;
  }
  template <class T, class V>
  [[gnu::always_inline]] static void output(V* m) {
    const V m1 = m[1], m2 = m[2];
    m[0] = m[0] + (m1 + m2);
    m[1] = (m1 - m2) + m[3];
  }
  /// y's gradient, 2 values, to the products', 4.
  template <class T, class V>
  [[gnu::always_inline]] static void output_gradient(V* y) {
    const V y0 = y[0], y1 = y[1];
    y[1] = y0 + y1;
    y[2] = y0 - y1;
    y[3] = y1;
  }
};

template <>
struct Winograd<4> {
  static constexpr int kTile = 6;
  static constexpr double kA = kPointA, kB = kPointB, kAA = 0.5, kBB = 2;  // squares
  static constexpr double kNA = 2 * kAA * (kAA - kBB), kNB = 2 * kBB * (kBB - kAA);
  static constexpr double kFilter[kTile][3] = {
      {1 / (kAA * kBB), 0, 0},        {1 / kNA, kA / kNA, kAA / kNA},  {1 / kNA, -kA / kNA, kAA / kNA},
      {1 / kNB, kB / kNB, kBB / kNB}, {1 / kNB, -kB / kNB, kBB / kNB}, {0, 0, 1}};

  template <class T, class V>
  [[gnu::always_inline]] static void input(V* d) {
    const V sum = V(T(kAA + kBB)), product = V(T(kAA * kBB));
    const V d1 = d[1], d2 = d[2], d3 = d[3], d4 = d[4];
    const V even_a = d4 - V(T(kBB)) * d2, odd_a = V(T(kA)) * (d3 - V(T(kBB)) * d1);
    const V even_b = d4 - V(T(kAA)) * d2, odd_b = V(T(kB)) * (d3 - V(T(kAA)) * d1);
    d[0] = product * d[0] + (d4 - sum * d2);
    d[1] = even_a + odd_a;
    d[2] = even_a - odd_a;
    d[3] = even_b + odd_b;
    d[4] = even_b - odd_b;
    d[5] = product * d1 + (d[5] - sum * d3);
  }
  template <class T, class V>
  [[gnu::always_inline]] static void output(V* m) {
    const V sum_a = m[1] + m[2], odd_a = m[1] - m[2], sum_b = m[3] + m[4], odd_b = m[3] - m[4];
    m[0] = m[0] + (sum_a + sum_b);
    m[1] = V(T(kA)) * odd_a + V(T(kB)) * odd_b;
    m[2] = V(T(kAA)) * sum_a + V(T(kBB)) * sum_b;
    m[3] = V(T(kA * kAA)) * odd_a + V(T(kB * kBB)) * odd_b + m[5];
  }
  template <class T, class V>
  [[gnu::always_inline]] static void output_gradient(V* y) {
    const V y0 = y[0], y1 = y[1], y2 = y[2], y3 = y[3];
    const V even_a = y0 + V(T(kAA)) * y2, odd_a = V(T(kA)) * y1 + V(T(kA * kAA)) * y3;
    const V even_b = y0 + V(T(kBB)) * y2, odd_b = V(T(kB)) * y1 + V(T(kB * kBB)) * y3;
    y[1] = even_a + odd_a;
    y[2] = even_a - odd_a;
    y[3] = even_b + odd_b;
    y[4] = even_b - odd_b;
    y[5] = y3;
  }
};

/// Three weights to the elements of a tile.
template <int M, class T, class V>
[[gnu::always_inline]] inline void winograd_filter_line(const V* w, V* u) {
  using W = Winograd<M>;
  for (int i = 0; i < W::kTile; ++i) {
    u[i] = V(T(W::kFilter[i][0])) * w[0] + V(T(W::kFilter[i][1])) * w[1] + V(T(W::kFilter[i][2])) * w[2];
  }
}
/// And their gradients back.
template <int M, class T, class V>
[[gnu::always_inline]] inline void winograd_filter_gradient_line(const V* u, V* w) {
  using W = Winograd<M>;
  for (int k = 0; k < 3; ++k) {
    w[k] = V(T(W::kFilter[0][k])) * u[0];
    for (int i = 1; i < W::kTile; ++i) w[k] = w[k] + V(T(W::kFilter[i][k])) * u[i];
  }
}

/// u = G w G^T, of V that hold one filter's or several filters' weights.
template <int M, class T, class V>
[[gnu::always_inline]] inline void winograd_filter_tile(const V (&w)[3][3],
                                                        V (&u)[Winograd<M>::kTile][Winograd<M>::kTile]) {
  constexpr int n = Winograd<M>::kTile;
  V half[3][n];  // of each column of w
  for (int q = 0; q < 3; ++q) {
    const V column[3] = {w[0][q], w[1][q], w[2][q]};
    winograd_filter_line<M, T>(column, half[q]);
  }
  for (int i = 0; i < n; ++i) {
    const V row[3] = {half[0][i], half[1][i], half[2][i]};
    winograd_filter_line<M, T>(row, u[i]);
  }
}
/// w = G^T u G.
template <int M, class T, class V>
[[gnu::always_inline]] inline void winograd_filter_gradient_tile(
    const V (&u)[Winograd<M>::kTile][Winograd<M>::kTile], V (&w)[3][3]) {
  constexpr int n = Winograd<M>::kTile;
  V half[n][3];
  for (int i = 0; i < n; ++i) winograd_filter_gradient_line<M, T>(u[i], half[i]);
  for (int q = 0; q < 3; ++q) {
    V column[n], made[3];
    for (int i = 0; i < n; ++i) column[i] = half[i][q];
    winograd_filter_gradient_line<M, T>(column, made);
    for (int r = 0; r < 3; ++r) w[r][q] = made[r];
  }
}

// ---- Neighbouring tiles

/// body(tile) for each of them, its fields the tile's own; body(tile, epilogue) for outputs.
template <int M, class T, class Body>
[[gnu::always_inline]] inline void for_tiles(WinogradInput<T> tile, const Body& body) {
  for (int64_t i = 0; i < tile.tiles; ++i) {
    body(tile);
    tile.x += M * tile.pixel_stride;
    tile.column_begin -= M;
    tile.column_end -= M;
    tile.out += tile.tile_stride;
  }
}
template <int M, class T, class Body>
[[gnu::always_inline]] inline void for_tiles(WinogradOutput<T> tile, const Body& body) {
  const int64_t step = M * tile.pixel_stride, columns = tile.columns;
  Epilogue<T> epilogue = *tile.epilogue;
  for (int64_t i = 0; i < tile.tiles; ++i) {
    const int64_t left = columns - i * M;
    tile.columns = left < M ? left : M;
    body(tile, epilogue);
    tile.in += tile.tile_stride;
    tile.y += step;
    if (epilogue.residual != nullptr) epilogue.residual += step;
  }
}
template <int M, class T, class Body>
[[gnu::always_inline]] inline void for_tiles(WinogradOutputGradient<T> tile, const Body& body) {
  const int64_t columns = tile.columns;
  for (int64_t i = 0; i < tile.tiles; ++i) {
    const int64_t left = columns - i * M;
    tile.columns = left < M ? left : M;
    body(tile);
    tile.dy += M * tile.pixel_stride;
    tile.out += tile.tile_stride;
  }
}

}  // namespace
}  // namespace pleat::kernels
