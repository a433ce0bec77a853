#pragma once

#include "kernels/simd.hpp"

namespace pleat::kernels {
namespace {

/// body(load, store, c, ...) for each vector of channels, the last one in part.
template <class Body>
PLEAT_INLINE void for_channels(int64_t channels, const Body& body) {
  const auto whole = [](const float* p) PLEAT_LAMBDA_INLINE { return load(p); };
  const auto write = [](float* p, Vec v) PLEAT_LAMBDA_INLINE { store(p, v); };
  int64_t c = 0;
  for (; c + kLanes <= channels; c += kLanes) body(c, whole, write);
  if (const int64_t left = channels - c; left > 0) {
    body(
        c, [left](const float* p) PLEAT_LAMBDA_INLINE { return load_n(p, left); },
        [left](float* p, Vec v) PLEAT_LAMBDA_INLINE { store_n(p, v, left); });
  }
}

}  // namespace
}  // namespace pleat::kernels
