#pragma once

#include "ops/conv_geometry.hpp"

namespace pleat {

// Shapes of channels-last data, (N, H, W, C), in terms of the same data's (N, C, H, W), which convolutions
// and pools check and compute.

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
