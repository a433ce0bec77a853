#pragma once

#include "kernels/simd.hpp"

namespace pleat::kernels {
namespace {

/// How a body of sweep reads and writes its lanes: all of them, or the first few, the others read as 0.
struct WholeVec {
  PLEAT_INLINE Vec load(const float* p) const { return kernels::load(p); }
  PLEAT_INLINE void store(float* p, Vec v) const { kernels::store(p, v); }
  /// v, with `fill` in the lanes past the end.
  PLEAT_INLINE Vec pad(Vec v, float) const { return v; }
};
struct PartVec {
  int64_t count;
  PLEAT_INLINE Vec load(const float* p) const { return load_n(p, count); }
  PLEAT_INLINE void store(float* p, Vec v) const { store_n(p, v, count); }
  PLEAT_INLINE Vec pad(Vec v, float fill) const {
    alignas(Vec) float lanes[kLanes];
    v.store_aligned(lanes);
    for (int64_t i = count; i < kLanes; ++i) lanes[i] = fill;
    return Vec::load_aligned(lanes);
  }
};

/// Calls body(i, vec) for each vector of elements i, i+1, ... of n; the last may be a part.
template <class Body>
PLEAT_INLINE void sweep(int64_t n, Body body) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) body(i, WholeVec{});
  if (i < n) body(i, PartVec{n - i});
}

}  // namespace
}  // namespace pleat::kernels
