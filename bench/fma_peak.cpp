#include "fma_peak.hpp"

#include <algorithm>
#include <chrono>

#if defined(__x86_64__)
#include <immintrin.h>
#elif defined(__aarch64__)
#include <arm_neon.h>
#endif

namespace pleat::bench {
namespace {

constexpr int kSums = 12;  // more than latency (4) times units (2)
constexpr int kRounds = 1 << 18;

// Each loop is the same: kSums independent chains with starts of their own, or the compiler would make them
// one. The result keeps it from dropping them.
#if defined(__x86_64__)
__attribute__((target("avx512f"))) float chains_512(float x) {
  __m512 sums[kSums], a = _mm512_set1_ps(x);
  for (int i = 0; i < kSums; ++i) sums[i] = _mm512_set1_ps(x * static_cast<float>(i));
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(sum, a, a);
  }
  for (const __m512& sum : sums) a = _mm512_add_ps(a, sum);
  return _mm512_cvtss_f32(a);
}
__attribute__((target("avx2,fma"))) float chains_256(float x) {
  __m256 sums[kSums], a = _mm256_set1_ps(x);
  for (int i = 0; i < kSums; ++i) sums[i] = _mm256_set1_ps(x * static_cast<float>(i));
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(sum, a, a);
  }
  for (const __m256& sum : sums) a = _mm256_add_ps(a, sum);
  return _mm256_cvtss_f32(a);
}
float chains_128(float x) {
  __m128 sums[kSums], a = _mm_set1_ps(x);
  for (int i = 0; i < kSums; ++i) sums[i] = _mm_set1_ps(x * static_cast<float>(i));
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (__m128& sum : sums) sum = _mm_add_ps(_mm_mul_ps(sum, a), a);
  }
  for (const __m128& sum : sums) a = _mm_add_ps(a, sum);
  return _mm_cvtss_f32(a);
}
#elif defined(__aarch64__)
float chains_128(float x) {
  float32x4_t sums[kSums], a = vdupq_n_f32(x);
  for (int i = 0; i < kSums; ++i) sums[i] = vdupq_n_f32(x * static_cast<float>(i));
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 12
    for (float32x4_t& sum : sums) sum = vfmaq_f32(a, sum, a);
  }
  for (const float32x4_t& sum : sums) a = vaddq_f32(a, sum);
  return vaddvq_f32(a);
}
#endif

double rate(float (*chains)(float), int lanes) {
  double best = 0;
  for (int i = 0; i < 7; ++i) {
    const auto start = std::chrono::steady_clock::now();
    benchmark::DoNotOptimize(chains(1e-3f));
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
    best = std::max(best, 2.0 * kSums * kRounds * lanes / took.count());
  }
  return best;
}

double measure() {
  double best = rate(chains_128, 4);
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    best = std::max(best, rate(chains_256, 8));
  if (__builtin_cpu_supports("avx512f")) best = std::max(best, rate(chains_512, 16));
#endif
  return best;
}

}  // namespace

double fma_peak() {
  static const double peak = measure();
  return peak;
}

}  // namespace pleat::bench
