#pragma once

#include <optional>

#include "pleat/tensor.hpp"

namespace pleat {

struct NotFinite {
  int64_t item;  ///< along the first dimension
  float value;
};

/// The first element of an f32 tensor that is infinite or not a number.
std::optional<NotFinite> find_not_finite(const Tensor& tensor);

}  // namespace pleat
