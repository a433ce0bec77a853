#pragma once

#include <algorithm>
#include <cmath>

#include "pleat/model.hpp"
#include "support/random_tensor.hpp"

namespace pleat::test {

/// Gives every parameter and running statistic of a model a random value of the kind that training leaves:
/// scales of both signs, variances above zero.
inline void randomize(Model& model, uint64_t seed) {
  for (auto& [name, tensor] : model.state_dict()) {
    if (tensor.dtype() != DType::f32) continue;
    const bool variance = name.ends_with("running_var"),
               scale = name.ends_with("weight") && tensor.shape().rank() == 1;
    const Tensor drawn =
        random_tensor(tensor.shape(), ++seed, variance ? 0.2 : -1, variance || scale ? 2 : 1);
    std::ranges::copy(drawn.span<float>(), Tensor(tensor).data<float>());
  }
}

/// The largest difference, relative to the largest magnitude of `expected`.
inline double relative_error(const Tensor& got, const Tensor& expected) {
  const Tensor a = got.to(DType::f64), b = expected.to(DType::f64);
  double scale = 1e-30, worst = 0;
  for (int64_t i = 0; i < b.numel(); ++i) {
    scale = std::max(scale, std::abs(b.data<double>()[i]));
    worst = std::max(worst, std::abs(a.data<double>()[i] - b.data<double>()[i]));
  }
  return worst / scale;
}

}  // namespace pleat::test
