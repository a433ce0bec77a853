#pragma once

#include "kernels/simd.hpp"

namespace pleat::kernels {
namespace {

/// log x within 1e-7 relative, or absolute near 1, for x that is positive and neither denormal nor infinite.
/// NaN stays NaN. x = 2^k m with m in [sqrt(1/2), sqrt(2)); a minimax polynomial for log m (Moshier, Cephes).
PLEAT_INLINE Vec log(Vec x) {
  // The bits of sqrt(1/2) taken off, the exponent is k, and what is left of the fraction is that of m.
  const IntVec root = bits_of(Vec(0.707106769f)), bits = bits_of(x) - root;
  const IntVec exponent = bits >> 23;
  const Vec k = xsimd::to_float(exponent), m = float_of((bits & IntVec(0x007fffff)) + root);
  const Vec f = m - Vec(1.0f), z = f * f;
  const Vec q =
      polynomial(f, 7.0376836292e-2f, -1.1514610310e-1f, 1.1676998740e-1f, -1.2420140846e-1f,
                 1.4249322787e-1f, -1.6668057665e-1f, 2.0000714765e-1f, -2.4999993993e-1f, 3.3333331174e-1f);
  // ln 2 in two parts; the first has trailing zeros, so that k times it is exact.
  const Vec low = xsimd::fma(k, Vec(-2.12194440e-4f), xsimd::fma(Vec(-0.5f), z, q * z * f));
  return xsimd::select(x == x, xsimd::fma(k, Vec(0.693359375f), f + low), x);
}

}  // namespace
}  // namespace pleat::kernels
