#pragma once

#include "ops/attributes.hpp"
#include "pleat/shape.hpp"

namespace pleat {

/// Whether a channels-last convolution, and its weight's gradient, can normalize x as they read it: of single
/// pixels, in one group, or of a channel each.
bool can_normalize(const ops::Window& window, int64_t groups, const Shape& weight);

}  // namespace pleat
