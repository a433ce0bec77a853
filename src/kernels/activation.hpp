#pragma once

#include <cstdint>

namespace pleat {

/// Activations that a kernel can apply to what it just computed. `alpha` is leaky_relu's slope.
enum class Activation : uint8_t { none, relu, relu6, leaky_relu, sigmoid, silu, hardswish, tanh };

}  // namespace pleat
