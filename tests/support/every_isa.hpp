#pragma once

// Kernel tests run one body on every instruction set and compare with the reference table in double:
//
//     TEST_CASE("relu") {
//       for_each_isa([](const kernels::KernelTable<float>& table) {
//         Random random(seed());
//         for (int64_t n : edge_sizes()) {
//           CAPTURE(n);
//           const auto x = uniform(random, n);
//           Guarded<float> y(n);
//           std::vector<double> expected(x.size());
//           table.elementwise.relu(n, x.data(), y.data());
//           kernels::reference_table<double>().elementwise.relu(n, widen(x).data(), expected.data());
//           CHECK(y.intact());
//           CHECK(max_error(y.values(), expected) < 1e-6);
//         }
//       });
//     }

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <span>
#include <string>
#include <vector>

#include "base/random.hpp"
#include "kernels/kernel_table.hpp"
#include "pleat/isa.hpp"

namespace pleat::test {

/// The seed of the tests' random numbers: PLEAT_TEST_SEED, or 1. Failures print it.
inline uint64_t seed() {
  const char* given = std::getenv("PLEAT_TEST_SEED");
  return given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
}

/// Calls body(table) for each instruction set that this machine runs, the plain C++ one included.
template <class Body>
void for_each_isa(const Body& body) {
  for (const std::string& isa : available_isas()) {
    INFO("instruction set ", isa, ", PLEAT_TEST_SEED=", seed());
    body(kernels::table_for(isa.c_str()));
  }
}

/// Lengths where vector loops go wrong: none, one, and the multiples of every SIMD width with both
/// neighbours.
inline const std::vector<int64_t>& edge_sizes() {
  static const std::vector<int64_t> sizes = {0,  1,  2,  3,  4,  5,  7,  8,  9,   15,  16, 17,
                                             31, 32, 33, 47, 63, 64, 65, 97, 127, 128, 129};
  return sizes;
}

template <class T = float>
std::vector<T> uniform(Random& random, int64_t n, double low = -1, double high = 1) {
  std::vector<T> values(static_cast<size_t>(n));
  for (T& value : values) value = static_cast<T>(random.uniform(low, high));
  return values;
}

inline std::vector<double> widen(std::span<const float> values) {
  return {values.begin(), values.end()};
}

/// An output between guards, not aligned beyond T's size, filled with a value that no kernel computes.
template <class T>
class Guarded {
 public:
  explicit Guarded(int64_t n)
      : size_(static_cast<size_t>(n)), storage_(static_cast<size_t>(n + 2 * kGuard), kUnwritten) {}
  explicit Guarded(const std::vector<T>& values) : Guarded(static_cast<int64_t>(values.size())) {
    std::ranges::copy(values, storage_.begin() + kGuard);
  }

  T* data() { return storage_.data() + kGuard; }
  std::span<const T> values() const { return {storage_.data() + kGuard, size_}; }
  /// Whether nothing before or after the values was written.
  bool intact() const {
    const auto untouched = [](T value) { return value == kUnwritten; };
    return std::all_of(storage_.begin(), storage_.begin() + kGuard, untouched) &&
           std::all_of(storage_.end() - kGuard, storage_.end(), untouched);
  }

  static constexpr T kUnwritten = T(-987654);

 private:
  static constexpr int64_t kGuard = 33;
  size_t size_;
  std::vector<T> storage_;
};

/// The largest difference, relative to the largest expected magnitude (at least 1e-30); infinity where one is
/// NaN and the other is not.
template <class A, class B>
double max_error(const A& got, const B& expected) {
  REQUIRE(std::size(got) == std::size(expected));
  double scale = 1e-30, worst = 0;
  for (const double value : expected) {
    if (std::isfinite(value)) scale = std::max(scale, std::abs(value));
  }
  for (size_t i = 0; i < std::size(got); ++i) {
    const double a = static_cast<double>(got[i]), b = static_cast<double>(expected[i]);
    if (a == b || (std::isnan(a) && std::isnan(b))) continue;
    worst = std::max(worst, std::isfinite(a - b) ? std::abs(a - b) / scale : INFINITY);
  }
  return worst;
}

}  // namespace pleat::test
