#pragma once

#include "base/format.hpp"
#include "ops/conv_geometry.hpp"

namespace pleat {

// Shapes of channels-last data, (N, H, W, C), in terms of the same data's (N, C, H, W), which convolutions
// and pools check and compute.

/// Tasks that a step is cut into: enough for the threads there may be, and what one is worth.
inline constexpr int64_t kTasks = 16, kTaskMultiplyAdds = 1 << 19;

inline Shape channels_first(const Shape& x) {
  return x.rank() == 4 ? Shape{x[0], x[3], x[1], x[2]} : x;
}
inline Shape channels_last(const Shape& x) {
  return {x[0], x[2], x[3], x[1]};
}

/// Height and width.
inline std::array<int64_t, 2> plane_of(const Shape& x) {
  return {x[1], x[2]};
}

/// The sizes of a convolution of channels-last x.
template <class Attributes>
ConvShape channels_last_shape(const Attributes& attributes, const Shape& x, const Shape& weight) {
  return conv_shape(attributes.window, attributes.groups, x[0], plane_of(x), weight);
}

/// Error, beginning with `op`, where dy is not of the convolution's output.
template <class Attributes>
void check_channels_last_gradient(std::string_view op, const Attributes& attributes, const Shape& x,
                                  const Shape& weight, const Shape& dy) {
  const Shape y = channels_last(conv_output(attributes.window, attributes.groups, channels_first(x), weight));
  if (dy != y) fail(op, ": needs dy of ", y.str(), ", got ", dy.str());
}

/// What the outputs from `pixel` and channel `first` on have of an epilogue.
template <class T>
kernels::Epilogue<T> channels_last_epilogue(const ops::Epilogue& epilogue, const T* bias, const T* residual,
                                            int64_t pixel, int64_t channels, int64_t first) {
  kernels::Epilogue<T> e;
  if (bias != nullptr) e.column_bias = bias + first;
  if (residual != nullptr) e.residual = residual + pixel * channels + first;
  e.residual_stride = channels;
  e.activation = epilogue.activation;
  e.alpha = static_cast<T>(epilogue.alpha);
  return e;
}

}  // namespace pleat
