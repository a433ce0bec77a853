#pragma once

#include "kernels/channels_last/channels.hpp"
#include "kernels/channels_last/contract.hpp"
#include "kernels/channels_last/depthwise_sliding.hpp"
#include "kernels/gemm/simd.hpp"

namespace pleat::kernels {
namespace {

// Outputs [q, q + Outputs) of kLanes channels from c on. Each pixel of a row is read once and multiplied with
// every weight that it meets. Inner: all pixels are inside the image.
template <int Outputs, int Kernel, int Stride, bool Inner>
PLEAT_INLINE void depthwise_block(const DepthwiseRow<float>& d, const TileOutput& out, int64_t q, int64_t c) {
  constexpr int pixels = (Outputs - 1) * Stride + Kernel;
  const int64_t first = q * Stride - d.pad;
  Vec sum[Outputs];
  unroll<Outputs>([&](auto i) PLEAT_LAMBDA_INLINE { sum[i] = Vec(0.0f); });
  for (int64_t r = 0; r < d.rows; ++r) {
    const float* weights = d.weights + d.weight_rows[r] + c;
    const float* x = d.x + d.x_rows[r] + first * d.x_stride + c;
    Vec w[Kernel];
    unroll<Kernel>([&](auto k) PLEAT_LAMBDA_INLINE { w[k] = load(weights + k * d.weight_stride); });
    unroll<pixels>([&](auto p) PLEAT_LAMBDA_INLINE {
      if (Inner || (first + p >= 0 && first + p < d.columns)) {
        const Vec pixel = load(x + p * d.x_stride);
        unroll<Kernel>([&](auto k) PLEAT_LAMBDA_INLINE {
          constexpr int from = decltype(p)::value - decltype(k)::value, i = from / Stride;
          if constexpr (from >= 0 && from % Stride == 0 && i < Outputs) {
            sum[i] = xsimd::fma(pixel, w[k], sum[i]);
          }
        });
      }
    });
  }
  if (out.column_bias != nullptr) {
    const Vec bias = load(out.column_bias + c);
    unroll<Outputs>([&](auto i) PLEAT_LAMBDA_INLINE { sum[i] += bias; });
  }
  const int64_t place = q * d.y_stride + c;
  if (out.residual != nullptr) {
    const float* residual = out.residual + place;
    unroll<Outputs>([&](auto i) PLEAT_LAMBDA_INLINE { sum[i] += load(residual + i * d.y_stride); });
  }
  float* y = d.y + place;
  const Vec low(out.low), high(out.high);
  unroll<Outputs>([&](auto i) PLEAT_LAMBDA_INLINE {
    store(y + i * d.y_stride, xsimd::min(high, xsimd::max(low, sum[i])));
  });
}

// The last block of outputs and the last vector of channels make some values twice; activations that are more
// than bounds follow when all values are there.
template <int Outputs, int Kernel, int Stride>
void depthwise_blocks(const DepthwiseRow<float>& d, const TileOutput& out) {
  constexpr int pixels = (Outputs - 1) * Stride + Kernel;
  for (int64_t q = 0; q < d.outputs; q += Outputs) {
    if (q + Outputs > d.outputs) q = d.outputs - Outputs;
    const int64_t first = q * Stride - d.pad;
    const bool inner = first >= 0 && first + pixels <= d.columns;
    const float* next_x = last_row_pixel(d, first + pixels, d.x_stride);
    const float* next_y = d.y + (q + Outputs) * d.y_stride;
    for (int64_t next = 0; next < d.channels; next += kLanes) {
      prefetch_pixels<Outputs * Stride>(next_x, d.x_stride, next);
      prefetch_pixels<Outputs>(next_y, d.y_stride, next);
      const int64_t c = next + kLanes <= d.channels ? next : d.channels - kLanes;
      if (inner) {
        depthwise_block<Outputs, Kernel, Stride, true>(d, out, q, c);
      } else {
        depthwise_block<Outputs, Kernel, Stride, false>(d, out, q, c);
      }
    }
  }
  if (out.later) activate_block(out.activation, out.alpha, d.y, d.y_stride, d.outputs, d.channels);
}

// Any window, of `lanes` channels.
inline void depthwise_any(const DepthwiseRow<float>& d, const TileOutput& out, int64_t c, int64_t lanes) {
  for (int64_t q = 0; q < d.outputs; ++q) {
    Vec sum[1][1] = {{Vec(0.0f)}};
    for (int64_t r = 0; r < d.rows; ++r) {
      for (int64_t k = 0; k < d.kernel; ++k) {
        const int64_t column = q * d.stride - d.pad + k * d.dilation;
        if (column < 0 || column >= d.columns) continue;
        const float* x = d.x + d.x_rows[r] + column * d.x_stride + c;
        const Vec w = load_n(d.weights + d.weight_rows[r] + k * d.weight_stride + c, lanes);
        sum[0][0] = xsimd::fma(load_n(x, lanes), w, sum[0][0]);
      }
    }
    finish<1, 1, false>(sum, at(out, q, c), lanes);
  }
}

template <int Kernel, int Stride>
PLEAT_INLINE void depthwise_row(const DepthwiseRow<float>& d, const TileOutput& out) {
  const auto blocks = d.outputs >= 7   ? depthwise_blocks<7, Kernel, Stride>
                      : d.outputs >= 4 ? depthwise_blocks<4, Kernel, Stride>
                                       : depthwise_blocks<1, Kernel, Stride>;
  blocks(d, out);
}

inline void depthwise(const DepthwiseRow<float>& d) {
  const TileOutput out = tile_output(d.y, d.y_stride, false, d.epilogue);
  if (d.channels >= kLanes && d.dilation == 1) {
    if (slides(d, out)) return depthwise_slide(d, out);
    if (d.kernel == 1 && d.stride == 1) return depthwise_row<1, 1>(d, out);
    if (d.kernel == 2 && d.stride == 1) return depthwise_row<2, 1>(d, out);
    if (d.kernel == 3 && d.stride == 1) return depthwise_row<3, 1>(d, out);
    if (d.kernel == 3 && d.stride == 2) return depthwise_row<3, 2>(d, out);
    if (d.kernel == 5 && d.stride == 1) return depthwise_row<5, 1>(d, out);
    if (d.kernel == 5 && d.stride == 2) return depthwise_row<5, 2>(d, out);
  }
  for (int64_t c = 0; c < d.channels; c += kLanes) {
    depthwise_any(d, out, c, d.channels - c < kLanes ? d.channels - c : kLanes);
  }
}

}  // namespace
}  // namespace pleat::kernels
