#pragma once

// What the pools over windows share. A volume (N, C, D, H, W) is pooled over (H, W) as (N, C*D, H, W), and
// then with a kernel (kd, 1) over D as (N, C, D, H*W): exact for maxima, and for averages by either divisor,
// whose counts are products along the axes, with ceil_mode too. Indices do not survive it.

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "base/format.hpp"
#include "base/parallel.hpp"
#include "kernels/pool/contract.hpp"
#include "ops/window.hpp"

namespace pleat {

/// The pooled shape of x (N, C, H, W), or (N, C, L) as height 1. ceil_mode: windows that begin before the
/// padding at the end count, though they end outside of it. Errors begin with `op`.
inline Shape pooled_shape(std::string_view op, const ops::Window& given, bool ceil_mode, const Shape& x) {
  if (x.rank() != 3 && x.rank() != 4) {
    fail(op, ": needs an input (N, C, H, W) or (N, C, L), got ", x.str());
  }
  const auto both = [](const std::array<int64_t, 2>& hw) {
    const auto one = [](int64_t size) { return size == kDynamic ? std::string("N") : std::to_string(size); };
    return one(hw[0]) + "x" + one(hw[1]);
  };
  if (std::min({given.kernel[0], given.kernel[1], given.stride[0], given.stride[1], given.dilation[0],
                given.dilation[1]}) < 1) {
    fail(op, ": kernel, stride and dilation must be at least 1, got ", both(given.kernel), ", ",
         both(given.stride), " and ", both(given.dilation));
  }
  std::array<int64_t, 2> padded = spatial_sizes(x);
  const ops::Window window = resolved(given, padded);
  std::array<int64_t, 2> pooled = {kDynamic, kDynamic};
  for (size_t d = 0; d < 2; ++d) {
    const int64_t reach = extent(window, d), stride = window.stride[d];
    for (const int64_t pad : {window.pad_begin[d], window.pad_end[d]}) {
      if (pad < 0 || pad >= reach) {
        fail(op, ": pad should be smaller than the kernel, got pad ", pad, " for kernel ",
             both(window.kernel), " dilation ", both(window.dilation));
      }
    }
    if (padded[d] == kDynamic) continue;
    const int64_t begin_end = window.pad_begin[d] + padded[d];
    padded[d] = begin_end + window.pad_end[d];
    const int64_t room = padded[d] - reach + (ceil_mode ? stride - 1 : 0);
    pooled[d] = room < 0 ? 0 : room / stride + 1;
    if (ceil_mode && (pooled[d] - 1) * stride >= begin_end) --pooled[d];
  }
  if (pooled[0] == 0 || pooled[1] == 0) {
    fail(op, ": kernel ", both(window.kernel), " dilation ", both(window.dilation),
         " is larger than the padded input ", both(padded));
  }
  if (x.rank() == 4) return {x[0], x[1], pooled[0], pooled[1]};
  if (pooled[0] != 1) fail(op, ": needs a kernel of height 1 for ", x.str(), ", got ", both(window.kernel));
  return {x[0], x[1], pooled[1]};
}

/// A window on a plane of that height and width, and its pooled sizes.
inline kernels::PoolPlane pool_plane(const ops::Window& given, const std::array<int64_t, 2>& in,
                                     const std::array<int64_t, 2>& out) {
  const ops::Window window = resolved(given, in);
  kernels::PoolPlane plane{};
  plane.in_h = in[0];
  plane.in_w = in[1];
  plane.out_h = out[0];
  plane.out_w = out[1];
  plane.kernel_h = window.kernel[0];
  plane.kernel_w = window.kernel[1];
  plane.stride_h = window.stride[0];
  plane.stride_w = window.stride[1];
  plane.dilation_h = window.dilation[0];
  plane.dilation_w = window.dilation[1];
  plane.pad_h = window.pad_begin[0];
  plane.pad_w = window.pad_begin[1];
  plane.pad_end_h = window.pad_end[0];
  plane.pad_end_w = window.pad_end[1];
  return plane;
}

/// One plane of x (N, C, [H,] W) and of y, its pooled shape.
inline kernels::PoolPlane pool_plane(const ops::Window& window, const Shape& x, const Shape& y) {
  return pool_plane(window, spatial_sizes(x), spatial_sizes(y));
}

/// Calls body(plane's first element in x, in y) for every plane, in parallel.
template <class Body>
void for_planes(const kernels::PoolPlane& p, const Shape& x, const Body& body) {
  const int64_t in = p.in_h * p.in_w, out = p.out_h * p.out_w;
  parallel_for(x.product(0, 2), grain_for(in + out), [&](int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) body(c * in, c * out);
  });
}

}  // namespace pleat
