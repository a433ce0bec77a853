#pragma once

#include "base/random.hpp"
#include "pleat/tensor.hpp"

namespace pleat::test {

/// f32, uniform in [low, high), the same for the same seed.
inline Tensor random_tensor(Shape shape, uint64_t seed, double low = -1, double high = 1) {
  Tensor tensor(std::move(shape));
  Random random(seed);
  for (float& x : tensor.span<float>()) x = static_cast<float>(random.uniform(low, high));
  return tensor;
}

}  // namespace pleat::test
