#include "ops/conv_geometry.hpp"

#include <numeric>

#include "base/format.hpp"
#include "ops/window.hpp"

namespace pleat {
namespace {

std::string cross(int64_t height, int64_t width, bool flat) {
  return flat ? concat(width) : concat(height, "x", width);
}

int64_t output_size(const ops::Window& window, size_t d, int64_t padded) {
  return (padded - extent(window, d)) / window.stride[d] + 1;
}

}  // namespace

void check_conv(std::string_view op, const ops::Window& window, const Shape& x, int64_t channels,
                const Shape& weight) {
  const int rank = weight.rank();
  if (rank != 3 && rank != 4) fail(op, ": needs a weight of rank 3 or 4, got ", weight.str());
  const bool flat = rank == 3;
  if (weight.numel() < 1) fail(op, ": needs a weight with elements, got ", weight.str());
  if (x.rank() != rank || (x[1] != channels && x[1] != kDynamic)) {
    fail(op, ": needs an input of ", channels, " channels (N, ", channels, flat ? ", L)" : ", H, W)",
         ", got ", x.str());
  }
  if (window.kernel[0] != (flat ? 1 : weight[2]) || window.kernel[1] != weight[rank - 1]) {
    fail(op, ": needs a weight with a kernel of ", cross(window.kernel[0], window.kernel[1], flat), ", got ",
         weight.str());
  }
  for (size_t d = 0; d < 2; ++d) {
    if (window.stride[d] < 1 || window.dilation[d] < 1 || window.pad_begin[d] < 0 || window.pad_end[d] < 0) {
      fail(op, ": needs stride and dilation of at least 1 and padding of at least 0");
    }
  }
}

Shape conv_output(const ops::Window& given, int64_t groups, const Shape& x, const Shape& weight) {
  check_conv("conv", given, x, weight.rank() > 1 ? weight[1] * groups : 0, weight);
  if (groups < 1 || weight[0] % groups != 0) {
    fail("conv: groups ", groups, " must divide the ", weight[0], " output channels");
  }
  const bool flat = x.rank() == 3;
  const std::array<int64_t, 2> in = spatial_sizes(x);
  const ops::Window window = resolved(given, in);
  Shape y{x[0], weight[0]};
  std::array<int64_t, 2> padded{1, 1};
  bool too_large = false;
  for (size_t d = flat ? 1 : 0; d < 2; ++d) {
    if (in[d] == kDynamic) {
      padded[d] = extent(window, d);
      y.push_back(kDynamic);
      continue;
    }
    padded[d] = in[d] + window.pad_begin[d] + window.pad_end[d];
    too_large |= extent(window, d) > padded[d];
    y.push_back(output_size(window, d, padded[d]));
  }
  if (too_large) {
    fail("conv: kernel ", cross(extent(window, 0), extent(window, 1), flat),
         " is larger than the padded input ", cross(padded[0], padded[1], flat));
  }
  return y;
}

ConvShape conv_shape(const ops::Window& window, int64_t groups, int64_t batch,
                     const std::array<int64_t, 2>& in, const Shape& weight) {
  ConvShape shape{batch, groups, weight[1], weight[0] / groups, in, {}, resolved(window, in)};
  for (size_t d = 0; d < 2; ++d) {
    shape.out[d] = output_size(shape.window, d, in[d] + shape.window.pad_begin[d] + shape.window.pad_end[d]);
  }
  return shape;
}

ConvShape conv_shape(const ops::Window& window, int64_t groups, const Shape& x, const Shape& weight,
                     int64_t lanes) {
  ConvShape shape = conv_shape(window, groups, x[0], spatial_sizes(x), weight);
  join_rows(shape, lanes);
  return shape;
}

void join_rows(ConvShape& shape, int64_t lanes) {
  const ops::Window& window = shape.window;
  const std::array<int64_t, 2> ones = {1, 1}, zeros = {0, 0};
  if (window.kernel != ones || window.stride != ones || window.pad_begin != zeros ||
      window.pad_end != zeros || shape.in != shape.out) {
    return;
  }
  int64_t joined = std::lcm(shape.in[1], lanes) / shape.in[1];
  shape.in_place = shape.in[0] % joined == 0;
  if (!shape.in_place) joined = shape.in[0];
  shape.in = shape.out = {shape.in[0] / joined, shape.in[1] * joined};
}

ConvAxis forward_axis(const ConvShape& shape, int dimension) {
  const auto d = static_cast<size_t>(dimension);
  const ops::Window& window = shape.window;
  return {.in = shape.in[d],
          .outputs = shape.out[d],
          .taps = window.kernel[d],
          .spacing = window.dilation[d],
          .stride = window.stride[d],
          .pad = window.pad_begin[d]};
}

ConvAxis input_gradient_axis(const ConvShape& shape, int dimension, int64_t phase) {
  const auto d = static_cast<size_t>(dimension);
  const int64_t stride = shape.window.stride[d], dilation = shape.window.dilation[d];
  const int64_t pad = shape.window.pad_begin[d], kernel = shape.window.kernel[d];
  const int64_t common = std::gcd(stride, dilation), step = stride / common;
  // Input position i = stride*t + phase - pad takes kernel element k where k*dilation mod stride is phase,
  // from output t + (phase - k*dilation) / stride.
  const int64_t first = divide_up(std::max<int64_t>(0, pad - phase), stride);
  const int64_t begin = stride * first + phase - pad;
  ConvAxis axis{.in = shape.out[d],
                .outputs = begin < shape.in[d] ? divide_up(shape.in[d] - begin, stride) : 0,
                .taps = 0,
                .out_first = begin,
                .out_step = stride};
  for (int64_t k = 0; k < std::min(step, kernel); ++k) {
    if (k * dilation % stride != phase) continue;
    axis.taps = (kernel - 1 - k) / step + 1;
    axis.tap_first = k + (axis.taps - 1) * step;
    axis.tap_step = -step;
    axis.spacing = dilation / common;
    axis.pad = -(first + (phase - axis.tap_first * dilation) / stride);
  }
  return axis;
}

kernels::Spread spread_for(const ConvAxis& y, const ConvAxis& x, int64_t rows, int64_t lanes) {
  kernels::Spread spread{.height = y.in,
                         .width = x.in,
                         .pad_y = y.pad,
                         .pad_x = x.pad,
                         .stride_y = y.stride,
                         .stride_x = x.stride,
                         .phases_y = y.phases(),
                         .phases_x = x.phases(),
                         .rows = y.spread_rows(rows),
                         .pitch = x.spread_rows(x.outputs),
                         .size = 0};
  const int64_t used = spread.phases_y * spread.rows * spread.phases_x * spread.pitch;
  spread.size = (divide_up(used + lanes - 1, 16) | 1) * 16;
  return spread;
}

void tap_offsets(const ConvAxis& y, const ConvAxis& x, const kernels::Spread& spread, bool in_place,
                 int64_t channels, int64_t* offsets) {
  const int64_t plane = in_place ? y.in * x.in : spread.size;
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t ty = 0; ty < y.taps; ++ty) {
      const int64_t at_y = ty * y.spacing;
      const int64_t row = (at_y % y.stride * spread.rows + at_y / y.stride) * spread.phases_x;
      for (int64_t tx = 0; tx < x.taps; ++tx) {
        const int64_t at_x = tx * x.spacing;
        *offsets++ = c * plane + (row + at_x % x.stride) * spread.pitch + at_x / x.stride;
      }
    }
  }
}

}  // namespace pleat
