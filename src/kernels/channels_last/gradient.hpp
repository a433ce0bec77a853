#pragma once

#include "kernels/channels_last/channels.hpp"
#include "kernels/channels_last/contract.hpp"
#include "kernels/channels_last/winograd.hpp"
#include "kernels/gemm/simd.hpp"

namespace pleat::kernels {
namespace {

// ---- Weights

// Groups of channels in turn over a few pixels: reads are of whole lines, and so are writes.
inline void pack_pixels(const PixelPanels<float>& p) {
  constexpr int64_t block = 16;
  for (int64_t begin = 0; begin < p.pixels; begin += block) {
    const int64_t end = begin + block < p.pixels ? begin + block : p.pixels;
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

// `kernel` neighbouring weights of kLanes or fewer channels.
template <int Kernel, class Read, class Write>
PLEAT_INLINE void depthwise_weights_row(const DepthwiseWeights<float>& d, int64_t r, int64_t k, int64_t c,
                                        const Read& read, const Write& write) {
  const float* x = d.x + d.x_rows[r] + c;
  float* dw = d.dw + d.weight_rows[r] + k * d.pixel_stride + c;
  Vec sum[Kernel];
  unroll<Kernel>([&](auto i) PLEAT_LAMBDA_INLINE { sum[i] = Vec(0.0f); });
  for (int64_t q = 0; q < d.outputs; ++q) {
    const Vec dy = read(d.dy + q * d.pixel_stride + c);
    const int64_t first = q * d.stride - d.pad + k * d.dilation;
    const float* from = x + first * d.pixel_stride;
    if (first >= 0 && first + (Kernel - 1) * d.dilation < d.columns) {
      unroll<Kernel>([&](auto i) PLEAT_LAMBDA_INLINE {
        sum[i] = xsimd::fma(read(from + i * d.dilation * d.pixel_stride), dy, sum[i]);
      });
    } else {
      unroll<Kernel>([&](auto i) PLEAT_LAMBDA_INLINE {
        const int64_t column = first + i * d.dilation;
        if (column >= 0 && column < d.columns) {
          sum[i] = xsimd::fma(read(from + i * d.dilation * d.pixel_stride), dy, sum[i]);
        }
      });
    }
  }
  unroll<Kernel>([&](auto i) PLEAT_LAMBDA_INLINE {
    float* to = dw + i * d.pixel_stride;
    write(to, read(to) + sum[i]);
  });
}

inline void depthwise_weights(const DepthwiseWeights<float>& d) {
  for_channels(d.channels, [&](int64_t c, const auto& read, const auto& write) PLEAT_LAMBDA_INLINE {
    for (int64_t r = 0; r < d.rows; ++r) {
      if (d.kernel == 3) {
        depthwise_weights_row<3>(d, r, 0, c, read, write);
      } else if (d.kernel == 5) {
        depthwise_weights_row<5>(d, r, 0, c, read, write);
      } else {
        for (int64_t k = 0; k < d.kernel; ++k) depthwise_weights_row<1>(d, r, k, c, read, write);
      }
    }
  });
}

// ---- Windows

inline void max_row_gradient(const WindowGradient<float>& g) {
  for_channels(g.channels, [&](int64_t c, const auto& read, const auto& write) PLEAT_LAMBDA_INLINE {
    for (int64_t q = 0; q < g.outputs; ++q) {
      const Vec y = read(g.y + q * g.y_stride + c);
      Vec dy = read(g.dy + q * g.y_stride + c);  // zero once it is given away
      for (int64_t t = 0; t < g.taps; ++t) {
        const int64_t at = q * g.x_stride + g.offsets[t] + c;
        const Vec x = read(g.x + at);
        const auto largest = (x == y) | (x != x);
        write(g.dx + at, read(g.dx + at) + xsimd::select(largest, dy, Vec(0.0f)));
        dy = xsimd::select(largest, Vec(0.0f), dy);
      }
    }
  });
}

inline void average_row_gradient(const WindowGradient<float>& g, float factor) {
  for_channels(g.channels, [&](int64_t c, const auto& read, const auto& write) PLEAT_LAMBDA_INLINE {
    for (int64_t q = 0; q < g.outputs; ++q) {
      const Vec share = read(g.dy + q * g.y_stride + c) * Vec(factor);
      for (int64_t t = 0; t < g.taps; ++t) {
        float* dx = g.dx + q * g.x_stride + g.offsets[t] + c;
        write(dx, read(dx) + share);
      }
    }
  });
}

// ---- Winograd

template <int M>
PLEAT_INLINE void winograd_filter_of(const WinogradFilter<float>& f) {
  constexpr int n = Winograd<M>::kTile;
  for_channels(f.count, [&](int64_t j, const auto& read, const auto& write) PLEAT_LAMBDA_INLINE {
    Vec w[3][3], u[n][n];
    for (int t = 0; t < 9; ++t) w[t / 3][t % 3] = read(f.from + t * f.from_stride + j);
    winograd_filter_tile<M, float>(w, u);
    for (int e = 0; e < n * n; ++e) write(f.to + e * f.to_stride + j, u[e / n][e % n]);
  });
}
inline void winograd_filter(const WinogradFilter<float>& f) {
  f.m == 2 ? winograd_filter_of<2>(f) : winograd_filter_of<4>(f);
}

template <int M>
PLEAT_INLINE void winograd_filter_gradient_of(const WinogradFilter<float>& f) {
  constexpr int n = Winograd<M>::kTile;
  for_channels(f.count, [&](int64_t j, const auto& read, const auto& write) PLEAT_LAMBDA_INLINE {
    Vec w[3][3], u[n][n];
    for (int e = 0; e < n * n; ++e) u[e / n][e % n] = read(f.from + e * f.from_stride + j);
    winograd_filter_gradient_tile<M, float>(u, w);
    for (int t = 0; t < 9; ++t) write(f.to + t * f.to_stride + j, w[t / 3][t % 3]);
  });
}
inline void winograd_filter_gradient(const WinogradFilter<float>& f) {
  f.m == 2 ? winograd_filter_gradient_of<2>(f) : winograd_filter_gradient_of<4>(f);
}

template <int M>
PLEAT_INLINE void winograd_output_gradient_tile(const WinogradOutputGradient<float>& tile) {
  using W = Winograd<M>;
  constexpr int n = W::kTile;
  for_channels(tile.channels, [&](int64_t c, const auto& read, const auto& write) PLEAT_LAMBDA_INLINE {
    Vec d[M][n];
    for (int r = 0; r < M; ++r) {
      const float* dy = tile.dy + r * tile.row_stride + c;
      unroll<M>([&](auto q) PLEAT_LAMBDA_INLINE {
        d[r][q] = r < tile.rows && q < tile.columns ? read(dy + q * tile.pixel_stride) : Vec(0.0f);
      });
      W::template output_gradient<float>(d[r]);
    }
    for (int q = 0; q < n; ++q) {
      Vec column[n];
      unroll<M>([&](auto r) PLEAT_LAMBDA_INLINE { column[r] = d[r][q]; });
      W::template output_gradient<float>(column);
      unroll<n>([&](auto r)
                    PLEAT_LAMBDA_INLINE { write(tile.out + (r * n + q) * tile.out_stride + c, column[r]); });
    }
  });
}
inline void winograd_output_gradient(const WinogradOutputGradient<float>& tile) {
  tile.m == 2 ? winograd_output_gradient_tile<2>(tile) : winograd_output_gradient_tile<4>(tile);
}

}  // namespace
}  // namespace pleat::kernels
