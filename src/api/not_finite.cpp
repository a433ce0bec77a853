#include "api/not_finite.hpp"

#include <algorithm>
#include <cmath>

namespace pleat {

std::optional<NotFinite> find_not_finite(const Tensor& tensor) {
  const auto values = tensor.span<float>();
  const auto it = std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
  if (it == values.end()) return std::nullopt;
  const Shape& shape = tensor.shape();
  const int64_t per_item = tensor.numel() / (shape.rank() > 0 ? shape[0] : 1);
  return NotFinite{(it - values.begin()) / per_item, *it};
}

}  // namespace pleat
