#pragma once

#include <algorithm>
#include <array>

#include "kernels/kernel_table.hpp"
#include "ops/op.hpp"

namespace pleat {

/// A convolution's sizes, in two dimensions; one-dimensional data has height 1.
struct ConvShape {
  int64_t batch, groups;
  int64_t in_channels, out_channels;  ///< of one group
  std::array<int64_t, 2> in, out;     ///< height and width
  ops::Window window;
  bool in_place = false;  ///< kernels can read x as it lies: nothing is padded, rows are whole vectors

  int64_t in_plane() const { return in[0] * in[1]; }
  int64_t out_plane() const { return out[0] * out[1]; }
  int64_t kernel_size() const { return window.kernel[0] * window.kernel[1]; }
  int64_t multiply_adds() const {
    return batch * groups * out_channels * out_plane() * in_channels * kernel_size();
  }
  bool depthwise() const { return in_channels == 1 && out_channels == 1; }
};

/// Checks what a convolution and its transpose have in common; errors begin with `op`. x has `channels`.
void check_conv(std::string_view op, const ops::Window& window, const Shape& x, int64_t channels,
                const Shape& weight);

/// Checks a convolution's inputs, whose dimensions may be kDynamic, and gives its output's shape.
Shape conv_output(const ops::Window& window, int64_t groups, const Shape& x, const Shape& weight);

/// The sizes of a convolution of images of `in` pixels; the window's pads are explicit.
ConvShape conv_shape(const ops::Window& window, int64_t groups, int64_t batch,
                     const std::array<int64_t, 2>& in, const Shape& weight);

/// Those of x (N, C, [H,] W), whose dimensions are all known, rows joined.
ConvShape conv_shape(const ops::Window& window, int64_t groups, const Shape& x, const Shape& weight,
                     int64_t lanes);

/// Where the kernel is 1x1 rows are joined, so that `lanes` divides their length.
void join_rows(ConvShape& shape, int64_t lanes);

/// One dimension of a sliding sum: output j, stored at out_first + j*out_step, reads position
/// j*stride + t*spacing - pad of the input for tap t, whose weight is at tap_first + t*tap_step of the
/// kernel.
struct ConvAxis {
  int64_t in, outputs;
  int64_t taps, tap_first = 0, tap_step = 1;
  int64_t spacing = 1, stride = 1, pad = 0;
  int64_t out_first = 0, out_step = 1;

  int64_t reach() const { return taps > 0 ? (taps - 1) * spacing : 0; }
  int64_t phases() const { return std::min(stride, reach() + 1); }
  /// Rows of a phase that `count` outputs read.
  int64_t spread_rows(int64_t count) const { return count + reach() / stride; }
};

/// dimension 0: height, 1: width.
ConvAxis forward_axis(const ConvShape& shape, int dimension);

/// The input gradient is a sum over dy with the kernel reversed. Where the forward stride is s, every s-th
/// input position has the same taps: s sums of stride 1, one for each phase of (position + pad) mod s, with
/// no multiplication by a zero (the taps of Shi et al. 2016, "Is the deconvolution layer the same as a
/// convolutional layer?").
ConvAxis input_gradient_axis(const ConvShape& shape, int dimension, int64_t phase);

/// How `rows` rows of outputs see a plane of the input; `size` leaves what kernels may read too far, and
/// keeps planes from meeting in the same cache sets.
kernels::Spread spread_for(const ConvAxis& y, const ConvAxis& x, int64_t rows, int64_t lanes);

/// offsets[(c*y.taps + ty)*x.taps + tx], see kernels/conv/contract.hpp. In place: the planes are x's own.
void tap_offsets(const ConvAxis& y, const ConvAxis& x, const kernels::Spread& spread, bool in_place,
                 int64_t channels, int64_t* offsets);

constexpr int64_t round_up(int64_t n, int64_t multiple) {
  return (n + multiple - 1) / multiple * multiple;
}
constexpr int64_t divide_up(int64_t n, int64_t by) {
  return (n + by - 1) / by;
}

}  // namespace pleat
