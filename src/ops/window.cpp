#include "ops/window.hpp"

#include <algorithm>

namespace pleat {

void set_pads(ops::Window& window, size_t d, int64_t total) {
  const int64_t less = total / 2, more = total - less;
  const bool upper = window.auto_pad == ops::AutoPad::same_upper;
  window.pad_begin[d] = upper ? less : more;
  window.pad_end[d] = upper ? more : less;
}

ops::Window resolved(const ops::Window& window, const std::array<int64_t, 2>& sizes) {
  if (window.auto_pad == ops::AutoPad::none) return window;
  ops::Window given = window;
  for (size_t d = 0; d < 2; ++d) {
    // ceil(size / stride) windows, the last of which ends with the padding.
    const int64_t last = (sizes[d] - 1) / window.stride[d] * window.stride[d];
    const int64_t total = sizes[d] == kDynamic ? 0 : last + extent(window, d) - sizes[d];
    set_pads(given, d, std::max<int64_t>(0, total));
  }
  given.auto_pad = ops::AutoPad::none;
  return given;
}

}  // namespace pleat
