#pragma once

// What kernels need of xsimd, under one name for every xsimd version from 8.1 on.

#include <xsimd/xsimd.hpp>

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
inline constexpr int64_t kLanes = static_cast<int64_t>(Vec::size);

inline Vec load(const float* p) {
  return Vec::load_unaligned(p);
}
inline void store(float* p, Vec v) {
  v.store_unaligned(p);
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
