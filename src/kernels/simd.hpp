#pragma once

// What kernels need of xsimd, under one name for every xsimd version from 8.1 on.

#include <cstdint>
#include <utility>
#include <xsimd/xsimd.hpp>

// Function templates of one use each must not survive as functions: register blocks live in registers only
// where everything around them is inlined.
#define PLEAT_INLINE inline __attribute__((always_inline))

namespace pleat::kernels {
namespace {  // a kernel object exports its table only: see "The per-ISA recipe" in the README

#if defined(PLEAT_ARCH_AVX512)
using Arch = xsimd::avx512dq;
#elif defined(PLEAT_ARCH_AVX2)
using Arch = xsimd::fma3<xsimd::avx2>;
#elif defined(PLEAT_ARCH_SSE4)
using Arch = xsimd::sse4_2;
#elif defined(PLEAT_ARCH_NEON)
using Arch = xsimd::neon64;
#endif

using Vec = xsimd::batch<float, Arch>;
using IntVec = xsimd::batch<int32_t, Arch>;
inline constexpr int64_t kLanes = static_cast<int64_t>(Vec::size);

PLEAT_INLINE Vec load(const float* p) {
  return Vec::load_unaligned(p);
}
PLEAT_INLINE void store(float* p, Vec v) {
  v.store_unaligned(p);
}

/// Stores past the caches: the line is not read first, and comes from memory when it is asked for. p is
/// aligned as a vector is; whole lines are written at once.
PLEAT_INLINE void stream(float* p, Vec v) {
#if defined(PLEAT_ARCH_AVX512)
  _mm512_stream_ps(p, v);
#elif defined(PLEAT_ARCH_AVX2)
  _mm256_stream_ps(p, v);
#elif defined(PLEAT_ARCH_SSE4)
  _mm_stream_ps(p, v);
#else
  store(p, v);
#endif
}
/// Before other threads may read what was streamed.
PLEAT_INLINE void finish_streaming() {
#if !defined(PLEAT_ARCH_NEON)
  _mm_sfence();
#endif
}

#if defined(PLEAT_ARCH_AVX2)
// Eight ones, eight zeros: eight words from 8 - n on are the mask of n lanes.
alignas(64) constexpr int32_t kTailMask[16] = {-1, -1, -1, -1, -1, -1, -1, -1};
#endif

/// The first n elements, 0 <= n <= kLanes, and zeros; memory past them is not touched.
PLEAT_INLINE Vec load_n(const float* p, int64_t n) {
#if defined(PLEAT_ARCH_AVX512)
  return _mm512_maskz_loadu_ps(static_cast<__mmask16>((1u << n) - 1), p);
#elif defined(PLEAT_ARCH_AVX2)
  return _mm256_maskload_ps(p, _mm256_loadu_si256(reinterpret_cast<const __m256i*>(kTailMask + kLanes - n)));
#else
  float lanes[kLanes] = {};
  for (int64_t i = 0; i < n; ++i) lanes[i] = p[i];
  return load(lanes);
#endif
}
/// Stores the first n lanes, 0 <= n <= kLanes.
PLEAT_INLINE void store_n(float* p, Vec v, int64_t n) {
#if defined(PLEAT_ARCH_AVX512)
  _mm512_mask_storeu_ps(p, static_cast<__mmask16>((1u << n) - 1), v);
#elif defined(PLEAT_ARCH_AVX2)
  // A store under a mask takes a dozen cycles on some processors.
  if (n >= kLanes) return store(p, v);
  __m128 half = _mm256_castps256_ps128(v);
  if ((n & 4) != 0) {
    _mm_storeu_ps(p, half);
    half = _mm256_extractf128_ps(v, 1);
    p += 4;
  }
  if ((n & 2) != 0) {
    _mm_storel_pi(reinterpret_cast<__m64*>(p), half);
    half = _mm_movehl_ps(half, half);
    p += 2;
  }
  if ((n & 1) != 0) _mm_store_ss(p, half);
#else
  float lanes[kLanes];
  store(lanes, v);
  for (int64_t i = 0; i < n; ++i) p[i] = lanes[i];
#endif
}

PLEAT_INLINE IntVec bits_of(Vec v) {
  return __builtin_bit_cast(IntVec, v);
}
PLEAT_INLINE Vec float_of(IntVec v) {
  return __builtin_bit_cast(Vec, v);
}

template <int I>
struct Index {
  static constexpr int value = I;
  constexpr operator int() const { return I; }
};

template <class Body, int... I>
PLEAT_INLINE void unroll_over(const Body& body, std::integer_sequence<int, I...>) {
  (body(Index<I>{}), ...);
}
/// body(Index<0>{}), ..., body(Index<N-1>{}), unrolled; mark the lambda PLEAT_LAMBDA_INLINE.
template <int N, class Body>
PLEAT_INLINE void unroll(const Body& body) {
  unroll_over(body, std::make_integer_sequence<int, N>{});
}
#define PLEAT_LAMBDA_INLINE __attribute__((always_inline))

/// A polynomial of x by Horner's rule, the coefficient of the highest power first.
template <class... Lower>
PLEAT_INLINE Vec polynomial(Vec x, float highest, Lower... lower) {
  Vec sum(highest);
  ((sum = xsimd::fma(sum, x, Vec(lower))), ...);
  return sum;
}

inline float sum_lanes(Vec v) {
#if XSIMD_VERSION_MAJOR >= 9
  return xsimd::reduce_add(v);
#else
  return xsimd::hadd(v);
#endif
}

}  // namespace
}  // namespace pleat::kernels
