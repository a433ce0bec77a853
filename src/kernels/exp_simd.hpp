#pragma once

#include "kernels/simd.hpp"

namespace pleat::kernels {
namespace {

struct ExpParts {
  Vec fraction;  ///< e^r
  IntVec power;  ///< k + 127 in the lowest bits: shifted by 23, it is 2^k
};

/// e^x = 2^k e^r within 1e-7 relative: x = k ln 2 + r, |r| <= ln 2 / 2, a minimax polynomial for e^r; x is
/// first brought between `low` and `high`. NaN stays NaN in the fraction.
PLEAT_INLINE ExpParts exp_parts(Vec x, float low, float high) {
  // The bound is the first operand: x86's min and max return the second where one is NaN.
  x = xsimd::min(Vec(high), xsimd::max(Vec(low), x));
  const Vec magic(12582912.0f + 127.0f);  // 1.5 * 2^23 and the bias: adding it rounds to whole numbers
  const Vec shifted = xsimd::fma(x, Vec(1.44269504f), magic);
  const Vec k = shifted - magic;
  // ln 2 in two parts; the first has trailing zeros, so that k times it is exact.
  const Vec r = xsimd::fma(k, Vec(-1.42860677e-6f), xsimd::fma(k, Vec(-0.693145752f), x));
  Vec q(1.381446475e-3f);
  q = xsimd::fma(q, r, Vec(8.368780622e-3f));
  q = xsimd::fma(q, r, Vec(4.166839426e-2f));
  q = xsimd::fma(q, r, Vec(1.666652011e-1f));
  q = xsimd::fma(q, r, Vec(4.999999341e-1f));
  q = xsimd::fma(q, r, Vec(1.0f));
  return {xsimd::fma(q, r, Vec(1.0f)), bits_of(shifted)};
}

/// e^x; 2^k in two halves, so that overflow gives infinity and underflow goes through denormals to 0.
PLEAT_INLINE Vec exp(Vec x) {
  const auto [fraction, power] = exp_parts(x, -104.0f, 89.0f);
  const IntVec bias(127), k = power - bits_of(Vec(12582912.0f + 127.0f)), half = k >> 1;
  return fraction * float_of((half + bias) << 23) * float_of((k - half + bias) << 23);
}

/// e^x with infinity from 88.4 on, and below -87 what e^-87 is: where it is added to 1, that is all the same.
PLEAT_INLINE Vec exp_bounded(Vec x) {
  const auto [fraction, power] = exp_parts(x, -87.0f, 89.0f);
  return fraction * float_of(power << 23);
}

}  // namespace
}  // namespace pleat::kernels
