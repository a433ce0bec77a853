#pragma once

#include <cmath>
#include <cstdint>
#include <numbers>

namespace pleat {

/// SplitMix64 (Steele, Lea and Flood 2014): the same numbers on every machine and standard library. A
/// counter-based use is mix(seed, position): any position's number without those before it.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  static constexpr uint64_t finalize(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }
  static constexpr uint64_t mix(uint64_t seed, uint64_t position) {
    return finalize(finalize(seed + 0x9e3779b97f4a7c15u) + (position + 1) * 0x9e3779b97f4a7c15u);
  }

  uint64_t bits() { return finalize(state_ += 0x9e3779b97f4a7c15u); }
  /// In [0, 1).
  double uniform() { return static_cast<double>(bits() >> 11) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  /// In [0, n), without bias that matters (n far below 2^64).
  uint64_t below(uint64_t n) {
    __extension__ using Wide = unsigned __int128;
    return static_cast<uint64_t>((Wide{bits()} * n) >> 64);
  }
  /// Standard normal (Box and Muller 1958).
  double normal() {
    const double radius = std::sqrt(-2 * std::log(1 - uniform()));
    return radius * std::cos(2 * std::numbers::pi * uniform());
  }

 private:
  uint64_t state_;
};

}  // namespace pleat
