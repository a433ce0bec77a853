#pragma once

// What convolutions and pools share of their windows.

#include <array>

#include "ops/op.hpp"

namespace pleat {

/// Height and width of x (N, C, [H,] W).
inline std::array<int64_t, 2> spatial_sizes(const Shape& x) {
  return {x.rank() == 3 ? 1 : x[2], x[x.rank() - 1]};
}

/// Input positions from the first of a window to its last, along one dimension (0: height, 1: width).
inline int64_t extent(const ops::Window& window, size_t d) {
  return (window.kernel[d] - 1) * window.dilation[d] + 1;
}

/// The window on a plane of that height and width with the pads that auto_pad gives, or its own; those of a
/// dynamic size are 0.
ops::Window resolved(const ops::Window& window, const std::array<int64_t, 2>& sizes);

/// Cuts `total` padding in two, the odd one where auto_pad wants it.
void set_pads(ops::Window& window, size_t d, int64_t total);

}  // namespace pleat
