#pragma once

#include <cmath>
#include <numbers>

namespace pleat {

// What several functions of one real number, or one and its derivative, have in common. NaN gives NaN.

template <class T>
inline constexpr T kSqrtHalf = std::numbers::sqrt2_v<T> / 2;
template <class T>
inline constexpr T kSqrtTwoOverPi = std::numbers::sqrt2_v<T>* std::numbers::inv_sqrtpi_v<T>;

template <class T>
T sign(T x) {
  return x > 0 ? T(1) : x < 0 ? T(-1) : x;
}
template <class T>
T sigmoid(T x) {
  return 1 / (1 + std::exp(-x));
}
/// log(1 + e^x), where what exp is given is never positive
template <class T>
T softplus(T x) {
  return (x < 0 ? T(0) : x) + std::log1p(std::exp(-std::abs(x)));
}
/// (1 + erf(x / sqrt(2))) / 2
template <class T>
T normal_share(T x) {
  return std::erfc(-x * kSqrtHalf<T>) / 2;
}
/// Its derivative.
template <class T>
T normal_density(T x) {
  return kSqrtTwoOverPi<T> / 2 * std::exp(-x * x / 2);
}

}  // namespace pleat
