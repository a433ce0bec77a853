#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

namespace pleat {

/// The whole number x, truncated; the nearest that U has where x is beyond; 0 for NaN.
template <class U, class F>
U saturated(F x) {
  // -min is a power of two: exact in every float, which max is not.
  constexpr F bound = -static_cast<F>(std::numeric_limits<U>::min());
  if (std::isnan(x)) return 0;
  if (x >= bound) return std::numeric_limits<U>::max();
  if (x < -bound) return std::numeric_limits<U>::min();
  return static_cast<U>(x);
}

}  // namespace pleat
