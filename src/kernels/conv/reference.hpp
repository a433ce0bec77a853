#pragma once

#include "kernels/activation_reference.hpp"
#include "kernels/conv/contract.hpp"

namespace pleat::kernels::reference {

inline constexpr int64_t kConvTile = 4;

template <class T>
void spread(const Spread& s, const T* in, T pad, T* out) {
  int64_t at = 0;
  for (int64_t py = 0; py < s.phases_y; ++py) {
    for (int64_t r = 0; r < s.rows; ++r) {
      const int64_t iy = r * s.stride_y + py - s.pad_y;
      for (int64_t px = 0; px < s.phases_x; ++px) {
        for (int64_t q = 0; q < s.pitch; ++q) {
          const int64_t ix = q * s.stride_x + px - s.pad_x;
          const bool inside = iy >= 0 && iy < s.height && ix >= 0 && ix < s.width;
          out[at++] = inside ? in[iy * s.width + ix] : pad;
        }
      }
    }
  }
  while (at < s.size) out[at++] = 0;
}

/// One element of a correlation; the weights of its channel are `step` apart.
template <class T>
void correlate_element(const Correlation<T>& c, int64_t i, int64_t r, int64_t q, const T* weights,
                       int64_t step) {
  T& y = c.y[i * c.y_stride + r * c.y_pitch + q];
  T sum = 0;
  for (int64_t l = 0; l < c.taps; ++l) sum += weights[l * step] * c.x[c.offsets[l] + r * c.x_pitch + q];
  if (c.accumulate) sum += y;
  if (c.epilogue != nullptr) {
    const Epilogue<T>& e = *c.epilogue;
    if (e.row_bias != nullptr) sum += e.row_bias[i];
    if (e.residual != nullptr) sum += e.residual[i * e.residual_stride + r * c.y_pitch + q];
    sum = activate(e.activation, sum, e.alpha);
  }
  y = sum;
}

template <class T>
void correlate(const Correlation<T>& c) {
  for (int64_t i = 0; i < c.channels; ++i) {
    const T* weights = c.weights + (i / kConvTile) * c.taps * kConvTile + i % kConvTile;
    for (int64_t r = 0; r < c.rows; ++r) {
      for (int64_t q = 0; q < c.width; ++q) correlate_element(c, i, r, q, weights, kConvTile);
    }
  }
}

template <class T>
void correlate_plane(const Correlation<T>& c) {
  for (int64_t r = 0; r < c.rows; ++r) {
    for (int64_t q = 0; q < c.width; ++q) correlate_element(c, 0, r, q, c.weights, 1);
  }
}

template <class T>
void correlate_weights(const WeightCorrelation<T>& c) {
  for (int64_t i = 0; i < c.channels; ++i) {
    for (int64_t l = 0; l < c.taps; ++l) {
      T sum = 0;
      for (int64_t n = 0; n < c.images; ++n) {
        for (int64_t r = 0; r < c.rows; ++r) {
          const T* dy = c.dy + n * c.dy_image + i * c.dy_stride + r * c.dy_pitch;
          const T* x = c.x + n * c.x_image + c.offsets[l] + r * c.x_pitch;
          for (int64_t q = 0; q < c.width; ++q) sum += dy[q] * x[q];
        }
      }
      T& dw = c.dw[i * c.dw_stride + l];
      dw = c.accumulate ? dw + sum : sum;
    }
  }
}

template <class T>
void pack_columns(int64_t nr, int64_t taps, const int64_t* offsets, const T* x, int64_t width, int64_t pitch,
                  int64_t first, int64_t last, T* packed) {
  for (int64_t begin = first; begin < last; begin += nr) {
    for (int64_t l = 0; l < taps; ++l) {
      for (int64_t n = begin; n < begin + nr; ++n) {
        *packed++ = n < last ? x[offsets[l] + n / width * pitch + n % width] : T(0);
      }
    }
  }
}

template <class T>
inline constexpr ConvKernels<T> kConv = {
    1, kConvTile, spread<T>, correlate<T>, correlate_plane<T>, correlate_weights<T>, pack_columns<T>,
};

}  // namespace pleat::kernels::reference
