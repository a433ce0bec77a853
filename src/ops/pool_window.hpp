#pragma once

// What the pools over windows share.

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "base/format.hpp"
#include "base/parallel.hpp"
#include "kernels/pool/contract.hpp"
#include "ops/op.hpp"

namespace pleat {

/// The pooled shape of x (N, C, H, W), or (N, C, L) as height 1. Errors begin with `op`.
inline Shape pooled_shape(std::string_view op, const ops::Window& window, const Shape& x) {
  if (x.rank() != 3 && x.rank() != 4) {
    fail(op, ": needs an input (N, C, H, W) or (N, C, L), got ", x.str());
  }
  const auto both = [](const std::array<int64_t, 2>& hw) {
    const auto one = [](int64_t size) { return size == kDynamic ? std::string("N") : std::to_string(size); };
    return one(hw[0]) + "x" + one(hw[1]);
  };
  if (std::min({window.kernel[0], window.kernel[1], window.stride[0], window.stride[1], window.dilation[0],
                window.dilation[1]}) < 1) {
    fail(op, ": kernel, stride and dilation must be at least 1, got ", both(window.kernel), ", ",
         both(window.stride), " and ", both(window.dilation));
  }
  std::array<int64_t, 2> padded = {x.rank() == 3 ? 1 : x[2], x[x.rank() - 1]}, pooled = {kDynamic, kDynamic};
  for (size_t d = 0; d < 2; ++d) {
    const int64_t reach = (window.kernel[d] - 1) * window.dilation[d] + 1;
    for (const int64_t pad : {window.pad_begin[d], window.pad_end[d]}) {
      if (pad < 0 || pad > reach / 2) {
        fail(op, ": pad should be at most half of the kernel, got pad ", pad, " for kernel ",
             both(window.kernel), " dilation ", both(window.dilation));
      }
    }
    if (padded[d] == kDynamic) continue;
    padded[d] += window.pad_begin[d] + window.pad_end[d];
    pooled[d] = padded[d] < reach ? 0 : (padded[d] - reach) / window.stride[d] + 1;
  }
  if (pooled[0] == 0 || pooled[1] == 0) {
    fail(op, ": kernel ", both(window.kernel), " dilation ", both(window.dilation),
         " is larger than the padded input ", both(padded));
  }
  if (x.rank() == 4) return {x[0], x[1], pooled[0], pooled[1]};
  if (pooled[0] != 1) fail(op, ": needs a kernel of height 1 for ", x.str(), ", got ", both(window.kernel));
  return {x[0], x[1], pooled[1]};
}

/// One plane of x and of y, its pooled shape.
inline kernels::PoolPlane pool_plane(const ops::Window& window, const Shape& x, const Shape& y) {
  const bool flat = x.rank() == 3;
  kernels::PoolPlane plane{};
  plane.in_h = flat ? 1 : x[2];
  plane.in_w = x[x.rank() - 1];
  plane.out_h = flat ? 1 : y[2];
  plane.out_w = y[y.rank() - 1];
  plane.kernel_h = window.kernel[0];
  plane.kernel_w = window.kernel[1];
  plane.stride_h = window.stride[0];
  plane.stride_w = window.stride[1];
  plane.dilation_h = window.dilation[0];
  plane.dilation_w = window.dilation[1];
  plane.pad_h = window.pad_begin[0];
  plane.pad_w = window.pad_begin[1];
  return plane;
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
