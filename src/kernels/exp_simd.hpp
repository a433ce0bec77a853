#pragma once

#include "kernels/simd.hpp"

namespace pleat::kernels {
namespace {

// All bring x between bounds first, which are the first operand: x86's min and max return the second where
// one is NaN. So NaN stays NaN.

// 1.5 * 2^23, which rounds what it is added to, and the exponent's bias.
inline constexpr float kRounding = 12582912.0f + 127.0f;

/// e^x = 2^k (1 + r q): x = k ln 2 + r, |r| <= ln 2 / 2, a minimax polynomial for e^r.
struct ExpParts {
  IntVec k;
  Vec r, q;
};

PLEAT_INLINE ExpParts exp_parts(Vec x) {
  x = xsimd::min(Vec(89.0f), xsimd::max(Vec(-104.0f), x));
  const Vec shifted = xsimd::fma(x, Vec(1.44269504f), Vec(kRounding)), whole = shifted - Vec(kRounding);
  // ln 2 in two parts; the first has trailing zeros, so that k times it is exact.
  const Vec r = xsimd::fma(whole, Vec(-1.42860677e-6f), xsimd::fma(whole, Vec(-0.693145752f), x));
  const Vec q = polynomial(r, 1.381446475e-3f, 8.368780622e-3f, 4.166839426e-2f, 1.666652011e-1f,
                           4.999999341e-1f, 1.0f);
  return {bits_of(shifted) - bits_of(Vec(kRounding)), r, q};
}

/// v * 2^k in two halves, so that overflow gives infinity and underflow goes through denormals to 0.
PLEAT_INLINE Vec times_power(Vec v, IntVec k) {
  const IntVec bias(127), half = k >> 1;
  return v * float_of((half + bias) << 23) * float_of((k - half + bias) << 23);
}

/// e^x within 1e-7 relative.
PLEAT_INLINE Vec exp(Vec x) {
  const auto [k, r, q] = exp_parts(x);
  return times_power(xsimd::fma(q, r, Vec(1.0f)), k);
}

/// e^x - 1 within 2e-7 relative: near 0, where k is, nothing cancels.
PLEAT_INLINE Vec exp_minus_1(Vec x) {
  const auto [k, r, q] = exp_parts(x);
  const Vec power = times_power(Vec(1.0f), k);
  return xsimd::fma(q * r, power, power - Vec(1.0f));
}

#if defined(PLEAT_ARCH_AVX512)
// 2^(i/16), and what rounds to a multiple of 1/16, i in its lowest bits.
alignas(64) constexpr float kPowers[16] = {
    1.0f,        1.04427373f, 1.09050775f, 1.13878858f, 1.18920708f, 1.24185777f, 1.29683959f, 1.35425556f,
    1.41421354f, 1.47682619f, 1.54221082f, 1.61049032f, 1.68179286f, 1.75625217f, 1.8340081f,  1.91520655f};
inline constexpr float kSixteenths = 1.5f * (1 << 19);
#endif

/// 1 + e^-x within 2e-7 relative, infinity below -88.8: -x log2(e) = k + f, a minimax polynomial for 2^f,
/// which is shorter than that for e^r. k is whole and |f| <= 1/2; or where a register holds a table, k has
/// sixteenths and |f| <= 1/32.
PLEAT_INLINE Vec one_plus_exp_minus(Vec x) {
  x = xsimd::min(Vec(87.0f), xsimd::max(Vec(-89.0f), x));
  const Vec log2e(-1.44269502f);
  const auto rest = [&](Vec k) PLEAT_LAMBDA_INLINE {
    return xsimd::fma(x, Vec(-1.92596299e-8f), xsimd::fms(x, log2e, k));
  };
#if defined(PLEAT_ARCH_AVX512)
  const Vec shifted = xsimd::fma(x, log2e, Vec(kSixteenths)), k = shifted - Vec(kSixteenths);
  const Vec q = polynomial(rest(k), 5.55041090e-2f, 2.40226510e-1f, 6.93147180e-1f, 1.0f);
  const __m512 power = _mm512_permutexvar_ps(_mm512_castps_si512(shifted), _mm512_load_ps(kPowers));
  return xsimd::fma(q, Vec(_mm512_scalef_ps(power, k)), Vec(1.0f));
#else
  const Vec shifted = xsimd::fma(x, log2e, Vec(kRounding));
  const Vec q = polynomial(rest(shifted - Vec(kRounding)), 1.326472731e-3f, 9.671512991e-3f, 5.550733581e-2f,
                           2.402224243e-1f, 6.931470037e-1f, 1.0f);
  return xsimd::fma(q, float_of(bits_of(shifted) << 23), Vec(1.0f));
#endif
}

}  // namespace
}  // namespace pleat::kernels
