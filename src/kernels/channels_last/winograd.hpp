#pragma once

#include <cstdint>

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
};

}  // namespace
}  // namespace pleat::kernels
