#pragma once

#include "kernels/simd.hpp"

namespace pleat::kernels {
namespace {

/// e^x within 1e-7 relative: x = k ln 2 + r, |r| <= ln 2 / 2, a minimax polynomial for e^r, and 2^k in two
/// halves, so that overflow gives infinity and underflow goes through denormals to 0. NaN stays NaN.
PLEAT_INLINE Vec exp(Vec x) {
  // The bound is the first operand: x86's min and max return the second where one is NaN.
  x = xsimd::min(Vec(89.0f), xsimd::max(Vec(-104.0f), x));
  const Vec magic(12582912.0f);  // 1.5 * 2^23: adding it rounds to whole numbers
  const Vec shifted = xsimd::fma(x, Vec(1.44269504f), magic);
  const Vec k = shifted - magic;
  // ln 2 in two parts; the first has trailing zeros, so that k times it is exact.
  const Vec r = xsimd::fma(k, Vec(-1.42860677e-6f), xsimd::fma(k, Vec(-0.693145752f), x));
  Vec q(1.381446475e-3f);
  q = xsimd::fma(q, r, Vec(8.368780622e-3f));
  q = xsimd::fma(q, r, Vec(4.166839426e-2f));
  q = xsimd::fma(q, r, Vec(1.666652011e-1f));
  q = xsimd::fma(q, r, Vec(4.999999341e-1f));
  const Vec e = xsimd::fma(q, r * r, r) + Vec(1.0f);
  const IntVec whole = bits_of(shifted) - bits_of(magic);
  const IntVec half = whole >> 1;
  const IntVec bias(127);
  return e * float_of((half + bias) << 23) * float_of((whole - half + bias) << 23);
}

}  // namespace
}  // namespace pleat::kernels
