#pragma once

#include "kernels/simd.hpp"

namespace pleat::kernels {
namespace {

template <int... I>
PLEAT_INLINE Vec zip_low(Vec a, Vec b, std::integer_sequence<int, I...>) {
  using Register = Vec::register_type;
  return Vec(__builtin_shufflevector(Register(a), Register(b), (I / 2 + I % 2 * int{kLanes})...));
}
template <int... I>
PLEAT_INLINE Vec zip_high(Vec a, Vec b, std::integer_sequence<int, I...>) {
  using Register = Vec::register_type;
  return Vec(
      __builtin_shufflevector(Register(a), Register(b), (int{kLanes} / 2 + I / 2 + I % 2 * int{kLanes})...));
}

/// Lane i of v[j] changes places with lane j of v[i], by log2(kLanes) perfect shuffles of the vectors.
PLEAT_INLINE void transpose(Vec (&v)[kLanes]) {
  constexpr int half = kLanes / 2;
  constexpr std::make_integer_sequence<int, kLanes> lanes;
  for (int stage = 1; stage < kLanes; stage *= 2) {
    Vec shuffled[kLanes];
    unroll<half>([&](auto i) PLEAT_LAMBDA_INLINE {
      shuffled[2 * i] = zip_low(v[i], v[i + half], lanes);
      shuffled[2 * i + 1] = zip_high(v[i], v[i + half], lanes);
    });
    unroll<kLanes>([&](auto i) PLEAT_LAMBDA_INLINE { v[i] = shuffled[i]; });
  }
}

}  // namespace
}  // namespace pleat::kernels
