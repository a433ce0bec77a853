#pragma once

#include "kernels/channels_last/channels.hpp"
#include "kernels/channels_last/contract.hpp"
#include "kernels/gemm/simd.hpp"

namespace pleat::kernels {
namespace {

// ---- Weights

// Groups of channels in turn over a few pixels.
inline void pack_pixels(const PixelPanels<float>& p) {
  for (int64_t begin = 0; begin < p.pixels; begin += kPackedTogether) {
    const int64_t end = begin + kPackedTogether < p.pixels ? begin + kPackedTogether : p.pixels;
    for (int64_t c = 0; c < p.channels; c += kGemmRows) {
      float* to = p.packed + c * p.pixels + begin * kGemmRows;
      const int64_t count = p.channels - c < kGemmRows ? p.channels - c : kGemmRows;
      for (int64_t i = begin; i < end; ++i, to += kGemmRows) {
        const int64_t place = p.places[i];
        if (place >= 0 && count == kGemmRows) {
          __builtin_memcpy(to, p.x + place + c, kGemmRows * sizeof(float));
        } else {
          for (int64_t k = 0; k < kGemmRows; ++k) to[k] = place >= 0 && k < count ? p.x[place + c + k] : 0.0f;
        }
      }
    }
  }
}

// A row of weights of kLanes or fewer channels, over outputs [q, q + Outputs): each pixel of x is read once
// and multiplied with every dy that it met. Inner: all pixels are inside the image.
template <int Outputs, int Kernel, int Stride, bool Inner, class Read, class Write>
PLEAT_INLINE void depthwise_weights_block(const DepthwiseWeights<float>& d, int64_t q, int64_t c,
                                          const Read& read, const Write& write) {
  constexpr int pixels = (Outputs - 1) * Stride + Kernel;
  const int64_t first = q * Stride - d.pad;
  Vec dy[Outputs];
  unroll<Outputs>([&](auto i) PLEAT_LAMBDA_INLINE { dy[i] = read(d.dy + (q + i) * d.pixel_stride + c); });
  for (int64_t r = 0; r < d.rows; ++r) {
    const float* x = d.x + d.x_rows[r] + first * d.pixel_stride + c;
    float* dw = d.dw + d.weight_rows[r] + c;
    Vec sum[Kernel];
    unroll<Kernel>([&](auto k) PLEAT_LAMBDA_INLINE { sum[k] = read(dw + k * d.pixel_stride); });
    unroll<pixels>([&](auto p) PLEAT_LAMBDA_INLINE {
      if (Inner || (first + p >= 0 && first + p < d.columns)) {
        const Vec pixel = read(x + p * d.pixel_stride);
        unroll<Kernel>([&](auto k) PLEAT_LAMBDA_INLINE {
          constexpr int from = decltype(p)::value - decltype(k)::value, i = from / Stride;
          if constexpr (from >= 0 && from % Stride == 0 && i < Outputs) {
            sum[k] = xsimd::fma(pixel, dy[i], sum[k]);
          }
        });
      }
    });
    unroll<Kernel>([&](auto k) PLEAT_LAMBDA_INLINE { write(dw + k * d.pixel_stride, sum[k]); });
  }
}

// As many outputs of the row as are whole blocks: from q on, which moves past them.
template <int Outputs, int Kernel, int Stride>
void depthwise_weights_blocks(const DepthwiseWeights<float>& d, int64_t& q) {
  constexpr int pixels = (Outputs - 1) * Stride + Kernel;
  for (; q + Outputs <= d.outputs; q += Outputs) {
    const int64_t first = q * Stride - d.pad;
    const bool inner = first >= 0 && first + pixels <= d.columns;
    const float* next_x = last_row_pixel(d, first + pixels, d.pixel_stride);
    const float* next_dy = d.dy + (q + Outputs) * d.pixel_stride;
    for_channels(d.channels, [&](int64_t c, const auto& read, const auto& write) PLEAT_LAMBDA_INLINE {
      prefetch_pixels<Outputs * Stride>(next_x, d.pixel_stride, c);
      prefetch_pixels<Outputs>(next_dy, d.pixel_stride, c);
      if (inner) {
        depthwise_weights_block<Outputs, Kernel, Stride, true>(d, q, c, read, write);
      } else {
        depthwise_weights_block<Outputs, Kernel, Stride, false>(d, q, c, read, write);
      }
    });
  }
}

template <int Kernel, int Stride>
PLEAT_INLINE void depthwise_weights_row(const DepthwiseWeights<float>& d) {
  int64_t q = 0;
  depthwise_weights_blocks<7, Kernel, Stride>(d, q);
  depthwise_weights_blocks<4, Kernel, Stride>(d, q);
  depthwise_weights_blocks<1, Kernel, Stride>(d, q);
}

// One weight of any window.
template <class Read, class Write>
PLEAT_INLINE void depthwise_weight(const DepthwiseWeights<float>& d, int64_t r, int64_t k, int64_t c,
                                   const Read& read, const Write& write) {
  const float* x = d.x + d.x_rows[r] + c;
  float* dw = d.dw + d.weight_rows[r] + k * d.pixel_stride + c;
  Vec sum = read(dw);
  for (int64_t q = 0; q < d.outputs; ++q) {
    const int64_t column = q * d.stride - d.pad + k * d.dilation;
    if (column < 0 || column >= d.columns) continue;
    sum = xsimd::fma(read(x + column * d.pixel_stride), read(d.dy + q * d.pixel_stride + c), sum);
  }
  write(dw, sum);
}

inline void depthwise_weights(const DepthwiseWeights<float>& d) {
  if (d.dilation == 1) {
    if (d.kernel == 3 && d.stride == 1) return depthwise_weights_row<3, 1>(d);
    if (d.kernel == 3 && d.stride == 2) return depthwise_weights_row<3, 2>(d);
    if (d.kernel == 5 && d.stride == 1) return depthwise_weights_row<5, 1>(d);
    if (d.kernel == 5 && d.stride == 2) return depthwise_weights_row<5, 2>(d);
  }
  for_channels(d.channels, [&](int64_t c, const auto& read, const auto& write) PLEAT_LAMBDA_INLINE {
    for (int64_t r = 0; r < d.rows; ++r) {
      for (int64_t k = 0; k < d.kernel; ++k) depthwise_weight(d, r, k, c, read, write);
    }
  });
}

// ---- Windows

// Pixel by pixel, in the order in which memory has them.
inline void max_row_gradient(const WindowGradient<float>& g) {
  for (int64_t q = 0; q < g.outputs; ++q) {
    for_channels(g.channels, [&](int64_t c, const auto& read, const auto& write) PLEAT_LAMBDA_INLINE {
      const Vec y = read(g.y + q * g.y_stride + c);
      Vec dy = read(g.dy + q * g.y_stride + c);  // zero once it is given away
      for (int64_t t = 0; t < g.taps; ++t) {
        const int64_t at = q * g.x_stride + g.offsets[t] + c;
        const Vec x = read(g.x + at);
        const auto largest = (x == y) | (x != x);
        write(g.dx + at, read(g.dx + at) + xsimd::select(largest, dy, Vec(0.0f)));
        dy = xsimd::select(largest, Vec(0.0f), dy);
      }
    });
  }
}

inline void average_row_gradient(const WindowGradient<float>& g, float factor) {
  for (int64_t q = 0; q < g.outputs; ++q) {
    for_channels(g.channels, [&](int64_t c, const auto& read, const auto& write) PLEAT_LAMBDA_INLINE {
      const Vec share = read(g.dy + q * g.y_stride + c) * Vec(factor);
      for (int64_t t = 0; t < g.taps; ++t) {
        float* dx = g.dx + q * g.x_stride + g.offsets[t] + c;
        write(dx, read(dx) + share);
      }
    });
  }
}

}  // namespace
}  // namespace pleat::kernels
