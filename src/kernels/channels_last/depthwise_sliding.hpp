#pragma once

#include "kernels/channels_last/contract.hpp"
#include "kernels/gemm/simd.hpp"

namespace pleat::kernels {
namespace {

// Rows of three taps that stay in the caches, walked a vector of channels at a time: weights keep to
// registers, and a pixel is read once for all windows that it is in. Loads a pixel apart are from the same
// banks of the first cache, one a cycle at most: the walk of fewest loads wins.

inline constexpr int64_t kSlidingElements = 32 << 10;  // of the rows, a quarter of the second cache

inline bool slides(const DepthwiseRow<float>& d, const TileOutput& out) {
  return d.kernel == 3 && d.rows >= 1 && d.rows <= 3 && d.stride <= 2 && out.residual == nullptr &&
         d.rows * d.columns * d.x_stride <= kSlidingElements;
}

template <int Tap>
struct TapSum {
  static constexpr int tap = Tap;
  Vec& value;
};

/// The windows of a row, of kLanes channels.
template <int Rows>
struct Sliding {
  int64_t outputs, columns, pad, x_stride, y_stride;
  const float* x[Rows];  ///< the next pixel
  float* y;              ///< the next output
  Vec weights[Rows][3], bias, low, high;

  /// sum += tap k of the next pixel, for each pair of k and sum.
  template <class... Sums>
  PLEAT_INLINE void add(Sums... sums) {
    unroll<Rows>([&](auto r) PLEAT_LAMBDA_INLINE {
      const Vec pixel = load(x[r]);
      ((sums.value = xsimd::fma(pixel, weights[r][sums.tap], sums.value)), ...);
    });
  }
  PLEAT_INLINE void pass() {
    unroll<Rows>([&](auto r) PLEAT_LAMBDA_INLINE { x[r] += x_stride; });
  }
  PLEAT_INLINE void put(Vec sum) {
    store(y, xsimd::min(high, xsimd::max(low, sum)));
    y += y_stride;
  }

  /// Under way are sums that wait for their last tap, for two, and for all but one.
  template <int Stride>
  PLEAT_INLINE void run() {
    int64_t p = -pad;
    const auto pixel = [&](bool inside, auto... sums) PLEAT_LAMBDA_INLINE {
      if (inside || (p >= 0 && p < columns)) add(sums...);
      pass();
      ++p;
    };
    const auto finish_one = [&](bool inside, Vec& last, Vec& middle, Vec& first) PLEAT_LAMBDA_INLINE {
      first = bias;
      if constexpr (Stride == 1) {
        pixel(inside, TapSum<2>{last}, TapSum<1>{middle}, TapSum<0>{first});
      } else {
        pixel(inside, TapSum<1>{last});
        pixel(inside, TapSum<2>{last}, TapSum<0>{first});
      }
      put(last);
    };
    Vec last = bias, middle = bias, first = bias;
    const auto finish = [&](bool inside, int64_t count) PLEAT_LAMBDA_INLINE {
      for (; count > 0; --count) {
        finish_one(inside, last, middle, first);
        last = Stride == 1 ? middle : first;
        middle = first;
      }
    };

    pixel(false, TapSum<0>{last});
    if constexpr (Stride == 1) pixel(false, TapSum<1>{last}, TapSum<0>{middle});
    int64_t left = outputs;
    for (; left > 0 && p < 0; --left) finish(false, 1);
    int64_t inside = (columns - p) / Stride;
    inside = inside < 0 ? 0 : inside < left ? inside : left;
    left -= inside;
    // The sums change places instead of moving.
    if constexpr (Stride == 1) {
      for (; inside >= 3; inside -= 3) {
        finish_one(true, last, middle, first);
        finish_one(true, middle, first, last);
        finish_one(true, first, last, middle);
      }
    } else {
      for (; inside >= 2; inside -= 2) {
        finish_one(true, last, middle, first);
        finish_one(true, first, middle, last);
      }
    }
    finish(true, inside);
    finish(false, left);
  }
};

template <int Rows, int Stride>
void slide(const DepthwiseRow<float>& d, const TileOutput& out) {
  // Out of reach of the stores.
  const DepthwiseRow<float> row = d;
  const float *x[Rows], *weights[Rows], *const bias = out.column_bias;
  unroll<Rows>([&](auto r) PLEAT_LAMBDA_INLINE {
    x[r] = row.x + row.x_rows[r] - row.pad * row.x_stride;
    weights[r] = row.weights + row.weight_rows[r];
  });
  const Vec low(out.low), high(out.high);
  for (int64_t next = 0; next < row.channels; next += kLanes) {
    const int64_t c = next + kLanes <= row.channels ? next : row.channels - kLanes;
    Sliding<Rows> sliding{.outputs = row.outputs,
                          .columns = row.columns,
                          .pad = row.pad,
                          .x_stride = row.x_stride,
                          .y_stride = row.y_stride,
                          .x = {},
                          .y = row.y + c,
                          .weights = {},
                          .bias = bias != nullptr ? load(bias + c) : Vec(0.0f),
                          .low = low,
                          .high = high};
    unroll<Rows>([&](auto r) PLEAT_LAMBDA_INLINE {
      sliding.x[r] = x[r] + c;
      unroll<3>([&](auto k) PLEAT_LAMBDA_INLINE {
        sliding.weights[r][k] = load(weights[r] + k * row.weight_stride + c);
      });
    });
    sliding.template run<Stride>();
  }
}

inline void depthwise_slide(const DepthwiseRow<float>& d, const TileOutput& out) {
  static constexpr void (*walks[2][3])(const DepthwiseRow<float>&, const TileOutput&) = {
      {slide<1, 1>, slide<2, 1>, slide<3, 1>}, {slide<1, 2>, slide<2, 2>, slide<3, 2>}};
  walks[d.stride - 1][d.rows - 1](d, out);
  if (out.later) activate_block(out.activation, out.alpha, d.y, d.y_stride, d.outputs, d.channels);
}

}  // namespace
}  // namespace pleat::kernels
