#pragma once

#include <benchmark/benchmark.h>

#include <string>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "kernels/kernel_table.hpp"

namespace pleat::bench {

inline std::vector<float> random_floats(int64_t n) {
  Random random(1);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& value : values) value = static_cast<float>(random.uniform(-4, 4));
  return values;
}

}  // namespace pleat::bench
