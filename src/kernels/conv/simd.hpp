#pragma once

#include "kernels/activation_simd.hpp"
#include "kernels/conv/contract.hpp"
#include "kernels/simd.hpp"

namespace pleat::kernels {
namespace {

// A register block of correlate is kConvTile channels by kConvVectors vectors of neighbouring outputs. The
// vectors need not be neighbours of each other, so narrow planes fill a block with several rows.
inline constexpr int kConvTile = 4, kConvVectors = 3;
inline constexpr int kPlaneVectors = 4;  // of correlate_plane

inline void spread_run(int64_t pitch, int64_t before, int64_t begin, int64_t end, int64_t step,
                       const float* in, float pad, float* out) {
  for (int64_t q = 0; q < before; ++q) out[q] = pad;
  int64_t q = before;
  if (step == 1) {
    for (int64_t i = begin; i < end; ++i) out[q++] = in[i];
  } else if (step == 2) {
    const int64_t count = (end - begin + 1) / 2;
    for (int64_t i = 0; i < count; ++i) out[q + i] = in[begin + 2 * i];
    q += count;
  } else {
    for (int64_t i = begin; i < end; i += step) out[q++] = in[i];
  }
  for (; q < pitch; ++q) out[q] = pad;
}

inline void spread(const Spread& s, const float* in, float pad, float* out) {
  float* const end = out + s.size;
  for (int64_t py = 0; py < s.phases_y; ++py) {
    for (int64_t r = 0; r < s.rows; ++r) {
      const int64_t iy = r * s.stride_y + py - s.pad_y;
      for (int64_t px = 0; px < s.phases_x; ++px, out += s.pitch) {
        // q * stride_x + px - pad_x >= 0 from `before` on.
        const int64_t margin = s.pad_x - px;
        int64_t before = margin > 0 ? (margin + s.stride_x - 1) / s.stride_x : 0;
        if (before > s.pitch || iy < 0 || iy >= s.height) before = s.pitch;
        const int64_t first = before * s.stride_x - margin;
        int64_t last = first + (s.pitch - before) * s.stride_x;
        if (last > s.width) last = s.width;
        spread_run(s.pitch, before, first, before < s.pitch ? last : first, s.stride_x,
                   in + (before < s.pitch ? iy : 0) * s.width, pad, out);
      }
    }
  }
  while (out < end) *out++ = 0;
}

/// Where the vectors of a register block are: in x, in y, and how many lanes count.
template <int V>
struct Runs {
  int64_t x[V], y[V], lanes[V];
};

/// Walks the vectors of rows x width outputs.
struct RunCursor {
  const Correlation<float>& c;
  int64_t r = 0, q = 0;

  template <int V>
  PLEAT_INLINE void next(Runs<V>& runs) {
    for (int v = 0; v < V; ++v) {
      runs.x[v] = r * c.x_pitch + q;
      runs.y[v] = r * c.y_pitch + q;
      const int64_t left = c.width - q;
      runs.lanes[v] = left < kLanes ? left : kLanes;
      q += kLanes;
      if (q >= c.width) {
        q = 0;
        ++r;
      }
    }
  }
};

/// Out of line: the activations that networks of convolutions seldom have.
__attribute__((noinline)) Vec other_activation(const Epilogue<float>& e, Vec x) {
  with_activation(e.activation, e.alpha, [&](const auto& act) PLEAT_LAMBDA_INLINE { x = act(x); });
  return x;
}

/// Finishes and stores a register block: adds what was there, bias and residual, applies the activation.
template <int V>
PLEAT_INLINE void finish_block(const Correlation<float>& c, const Runs<V>& runs, int64_t first,
                               int64_t channels, const float* sums) {
  for (int64_t i = first; i < first + channels; ++i) {
    float* const y = c.y + i * c.y_stride;
    for (int v = 0; v < V; ++v, sums += kLanes) {
      const int64_t at = runs.y[v], lanes = runs.lanes[v];
      const auto read = [&](const float* p)
                            PLEAT_LAMBDA_INLINE { return lanes == kLanes ? load(p) : load_n(p, lanes); };
      Vec sum = load(sums);
      if (c.accumulate) sum += read(y + at);
      if (c.epilogue != nullptr) {
        const Epilogue<float>& e = *c.epilogue;
        if (e.row_bias != nullptr) sum += Vec(e.row_bias[i]);
        if (e.residual != nullptr) sum += read(e.residual + i * e.residual_stride + at);
        if (e.activation == Activation::relu) {
          sum = Relu()(sum);
        } else if (e.activation == Activation::relu6) {
          sum = Relu6()(sum);
        } else if (e.activation != Activation::none) {
          sum = other_activation(e, sum);
        }
      }
      if (lanes == kLanes) {
        store(y + at, sum);
      } else {
        store_n(y + at, sum, lanes);
      }
    }
  }
}

template <int V>
PLEAT_INLINE void correlate_block(const Correlation<float>& c, const Runs<V>& runs) {
  const float* weights = c.weights;
  const float* x[V];
  unroll<V>([&](auto v) PLEAT_LAMBDA_INLINE { x[v] = c.x + runs.x[v]; });
  for (int64_t first = 0; first < c.channels; first += kConvTile) {
    Vec sum[kConvTile][V];
    unroll<kConvTile * V>([&](auto k) PLEAT_LAMBDA_INLINE { sum[k / V][k % V] = Vec(0.0f); });
    for (int64_t l = 0; l < c.taps; ++l, weights += kConvTile) {
      const int64_t offset = c.offsets[l];
      Vec in[V];
      unroll<V>([&](auto v) PLEAT_LAMBDA_INLINE { in[v] = load(x[v] + offset); });
      unroll<kConvTile>([&](auto i) PLEAT_LAMBDA_INLINE {
        const Vec w(weights[i]);
        unroll<V>([&](auto v) PLEAT_LAMBDA_INLINE { sum[i][v] = xsimd::fma(w, in[v], sum[i][v]); });
      });
    }
    float sums[kConvTile * V * kLanes];
    unroll<kConvTile * V>([&](auto k) PLEAT_LAMBDA_INLINE { store(sums + k * kLanes, sum[k / V][k % V]); });
    finish_block(c, runs, first, c.channels - first < kConvTile ? c.channels - first : kConvTile, sums);
  }
}

/// Calls block with the runs of V vectors at a time, then of those left, one at a time.
template <int V, class Block>
PLEAT_INLINE void for_runs(const Correlation<float>& c, const Block& block) {
  RunCursor cursor{c};
  int64_t vectors = c.rows * ((c.width + kLanes - 1) / kLanes);
  Runs<V> runs;
  for (; vectors >= V; vectors -= V) {
    cursor.next(runs);
    block(runs);
  }
  Runs<1> last;
  for (; vectors > 0; --vectors) {
    cursor.next(last);
    block(last);
  }
}

inline void correlate(const Correlation<float>& c) {
  for_runs<kConvVectors>(c, [&](const auto& runs) PLEAT_LAMBDA_INLINE { correlate_block(c, runs); });
}

/// Taps > 0: that many, known when compiled.
template <int Taps, int V>
PLEAT_INLINE void plane_block(const Correlation<float>& c, const Runs<V>& runs) {
  Vec sum[V];
  unroll<V>([&](auto v) PLEAT_LAMBDA_INLINE { sum[v] = Vec(0.0f); });
  const auto tap = [&](int64_t l) PLEAT_LAMBDA_INLINE {
    const Vec w(c.weights[l]);
    const float* x = c.x + c.offsets[l];
    unroll<V>([&](auto v) PLEAT_LAMBDA_INLINE { sum[v] = xsimd::fma(w, load(x + runs.x[v]), sum[v]); });
  };
  if constexpr (Taps > 0) {
    unroll<Taps>([&](auto l) PLEAT_LAMBDA_INLINE { tap(l); });
  } else {
    for (int64_t l = 0; l < c.taps; ++l) tap(l);
  }
  float sums[V * kLanes];
  unroll<V>([&](auto v) PLEAT_LAMBDA_INLINE { store(sums + v * kLanes, sum[v]); });
  finish_block(c, runs, 0, 1, sums);
}

inline void correlate_plane(const Correlation<float>& c) {
  const auto planes = [&](auto taps) PLEAT_LAMBDA_INLINE {
    for_runs<kPlaneVectors>(
        c, [&](const auto& runs) PLEAT_LAMBDA_INLINE { plane_block<decltype(taps)::value>(c, runs); });
  };
  if (c.taps == 9) return planes(Index<9>{});
  if (c.taps == 25) return planes(Index<25>{});
  planes(Index<0>{});
}

/// M channels by L taps, the sums of every pixel in vectors.
template <int M, int L>
PLEAT_INLINE void weights_block(const WeightCorrelation<float>& c, int64_t first, int64_t first_tap) {
  Vec sum[M][L];
  unroll<M>([&](auto i) PLEAT_LAMBDA_INLINE {
    unroll<L>([&](auto l) PLEAT_LAMBDA_INLINE { sum[i][l] = Vec(0.0f); });
  });
  const float* dy[M];
  const float* x[L];
  unroll<M>([&](auto i) PLEAT_LAMBDA_INLINE { dy[i] = c.dy + (first + i) * c.dy_stride; });
  unroll<L>([&](auto l) PLEAT_LAMBDA_INLINE { x[l] = c.x + c.offsets[first_tap + l]; });
  const int64_t whole = c.width / kLanes * kLanes;
  for (int64_t n = 0; n < c.images; ++n) {
    for (int64_t r = 0; r < c.rows; ++r) {
      int64_t at_dy = n * c.dy_image + r * c.dy_pitch, at_x = n * c.x_image + r * c.x_pitch;
      const auto add = [&](const auto& load_dy) PLEAT_LAMBDA_INLINE {
        Vec in[L];
        unroll<L>([&](auto l) PLEAT_LAMBDA_INLINE { in[l] = load(x[l] + at_x); });
        unroll<M>([&](auto i) PLEAT_LAMBDA_INLINE {
          const Vec d = load_dy(dy[i] + at_dy);
          unroll<L>([&](auto l) PLEAT_LAMBDA_INLINE { sum[i][l] = xsimd::fma(d, in[l], sum[i][l]); });
        });
      };
      for (const int64_t end = at_dy + whole; at_dy < end; at_dy += kLanes, at_x += kLanes) {
        add([](const float* p) PLEAT_LAMBDA_INLINE { return load(p); });
      }
      if (whole < c.width)
        add([&](const float* p) PLEAT_LAMBDA_INLINE { return load_n(p, c.width - whole); });
    }
  }
  unroll<M>([&](auto i) PLEAT_LAMBDA_INLINE {
    unroll<L>([&](auto l) PLEAT_LAMBDA_INLINE {
      float& dw = c.dw[(first + i) * c.dw_stride + first_tap + l];
      const float total = sum_lanes(sum[i][l]);
      dw = c.accumulate ? dw + total : total;
    });
  });
}

template <int M>
PLEAT_INLINE void weights_rows(const WeightCorrelation<float>& c, int64_t first) {
  constexpr int kTaps = M == 1 ? 9 : 3;
  int64_t l = 0;
  for (; l + kTaps <= c.taps; l += kTaps) weights_block<M, kTaps>(c, first, l);
  if constexpr (M == 1) {
    for (; l + 3 <= c.taps; l += 3) weights_block<M, 3>(c, first, l);
  }
  if (l + 2 <= c.taps) {
    weights_block<M, 2>(c, first, l);
  } else if (l < c.taps) {
    weights_block<M, 1>(c, first, l);
  }
}

inline void correlate_weights(const WeightCorrelation<float>& c) {
  int64_t i = 0;
  for (; i + 4 <= c.channels; i += 4) weights_rows<4>(c, i);
  for (; i + 2 <= c.channels; i += 2) weights_rows<2>(c, i);
  for (; i < c.channels; ++i) weights_rows<1>(c, i);
}

inline void pack_columns(int64_t nr, int64_t taps, const int64_t* offsets, const float* x, int64_t width,
                         int64_t pitch, int64_t first, int64_t last, float* packed) {
  for (; first < last; first += nr, packed += taps * nr) {
    const int64_t columns = last - first < nr ? last - first : nr, q = first % width;
    const float* from = x + first / width * pitch + q;
    if (q + columns <= width && columns == nr) {
      for (int64_t l = 0; l < taps; ++l) {
        for (int64_t j = 0; j < nr; j += kLanes) store(packed + l * nr + j, load(from + offsets[l] + j));
      }
      continue;
    }
    // Whole vectors: what a row of outputs writes too much, the next row or the next tap overwrites.
    for (int64_t l = 0; l < taps; ++l) {
      float* to = packed + l * nr;
      const float* run = from + offsets[l];
      int64_t column = q, done = 0;
      while (done < columns) {
        const int64_t left = width - column, length = left < columns - done ? left : columns - done;
        for (int64_t j = 0; j < length; j += kLanes) store(to + done + j, load(run + j));
        done += length;
        run += length + pitch - width;
        column = 0;
      }
      for (int64_t j = columns; j < nr; ++j) to[j] = 0;
    }
  }
}

inline constexpr ConvKernels<float> kConv = {
    kLanes, kConvTile, spread, correlate, correlate_plane, correlate_weights, pack_columns,
};

}  // namespace
}  // namespace pleat::kernels
