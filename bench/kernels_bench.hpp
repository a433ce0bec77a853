#pragma once

#include <benchmark/benchmark.h>

#include <string>
#include <utility>
#include <vector>

#include "base/random.hpp"
#include "counters.hpp"
#include "kernels/kernel_table.hpp"
#include "pleat/tensor.hpp"

namespace pleat::bench {

inline std::vector<float> random_floats(int64_t n) {
  Random random(1);
  std::vector<float> values(static_cast<size_t>(n));
  for (float& value : values) value = static_cast<float>(random.uniform(-4, 4));
  return values;
}

inline Tensor random_tensor(const Shape& shape) {
  Tensor tensor(shape);
  Random random(1);
  for (float& value : tensor.span<float>()) value = static_cast<float>(random.uniform(-1, 1));
  return tensor;
}

}  // namespace pleat::bench
