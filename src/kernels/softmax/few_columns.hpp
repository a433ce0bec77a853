#pragma once

#include "kernels/exp_simd.hpp"
#include "kernels/log_simd.hpp"
#include "kernels/transpose_simd.hpp"

namespace pleat::kernels {
namespace {
namespace softmax {

// Rows of few columns, kLanes rows at once and a lane for each: of a row by itself most lanes would be idle,
// and each step would wait for sums across them.

inline constexpr int64_t kFewColumns = 64;  // a multiple of kLanes

/// columns[j*kLanes + i] = rows[i*n + j] for i < count, and zeros for further rows.
PLEAT_INLINE void rows_to_columns(int64_t count, int64_t n, const float* rows, float* columns) {
  for (int64_t j = 0; j < n; j += kLanes) {
    Vec v[kLanes];
    for (int64_t i = 0; i < kLanes; ++i) {
      const float* from = rows + i * n + j;
      v[i] = i >= count ? Vec(0.0f) : n - j >= kLanes ? load(from) : load_n(from, n - j);
    }
    transpose(v);
    for (int64_t i = 0; i < kLanes; ++i) store(columns + (j + i) * kLanes, v[i]);
  }
}
/// And back.
PLEAT_INLINE void columns_to_rows(int64_t count, int64_t n, const float* columns, float* rows) {
  for (int64_t j = 0; j < n; j += kLanes) {
    Vec v[kLanes];
    for (int64_t i = 0; i < kLanes; ++i) v[i] = load(columns + (j + i) * kLanes);
    transpose(v);
    for (int64_t i = 0; i < count; ++i) {
      float* to = rows + i * n + j;
      n - j >= kLanes ? store(to, v[i]) : store_n(to, v[i], n - j);
    }
  }
}

/// body(columns, row, count) for each kLanes rows of x, `count` of them from `row` on, where columns[j*kLanes
/// + i] is element j of row i; y is what it leaves there.
template <class Body>
PLEAT_INLINE void for_row_lanes(int64_t rows, int64_t n, const float* x, float* y, const Body& body) {
  alignas(Vec) float columns[kFewColumns * kLanes] = {};
  for (int64_t row = 0; row < rows; row += kLanes, x += kLanes * n, y += kLanes * n) {
    const int64_t count = rows - row < kLanes ? rows - row : kLanes;
    rows_to_columns(count, n, x, columns);
    body(columns, row, count);
    columns_to_rows(count, n, columns, y);
  }
}

// A NaN need not survive the maximum: it comes back in exp(NaN - maximum).
PLEAT_INLINE Vec largest_of_columns(int64_t n, const float* columns) {
  Vec most = load(columns);
  for (int64_t j = 1; j < n; ++j) most = xsimd::max(most, load(columns + j * kLanes));
  return most;
}

inline void softmax_few(int64_t rows, int64_t n, const float* x, float* y) {
  for_row_lanes(rows, n, x, y, [n](float* columns, int64_t, int64_t) PLEAT_LAMBDA_INLINE {
    const Vec most = largest_of_columns(n, columns);
    Vec sum(0.0f);
    for (int64_t j = 0; j < n; ++j) {
      const Vec e = exp(load(columns + j * kLanes) - most);
      sum += e;
      store(columns + j * kLanes, e);
    }
    const Vec scale = Vec(1.0f) / sum;
    for (int64_t j = 0; j < n; ++j) store(columns + j * kLanes, load(columns + j * kLanes) * scale);
  });
}

inline void log_softmax_few(int64_t rows, int64_t n, const float* x, float* y) {
  for_row_lanes(rows, n, x, y, [n](float* columns, int64_t, int64_t) PLEAT_LAMBDA_INLINE {
    const Vec most = largest_of_columns(n, columns);
    Vec sum(0.0f);
    for (int64_t j = 0; j < n; ++j) sum += exp(load(columns + j * kLanes) - most);
    const Vec log_sum = log(sum);
    for (int64_t j = 0; j < n; ++j) {
      store(columns + j * kLanes, (load(columns + j * kLanes) - most) - log_sum);
    }
  });
}

inline void cross_entropy_gradient_few(int64_t rows, int64_t n, double smoothing, double scale,
                                       const float* y, const int64_t* label, float* dx) {
  const double spread = smoothing / static_cast<double>(n);
  const Vec factor(static_cast<float>(scale)), others(static_cast<float>(spread));
  const Vec own(static_cast<float>(smoothing - spread));
  for_row_lanes(rows, n, y, dx, [&](float* columns, int64_t row, int64_t count) PLEAT_LAMBDA_INLINE {
    // 1 - exp(y) of a sure prediction cancels.
    alignas(Vec) float at_label[kLanes] = {};
    for (int64_t i = 0; i < count; ++i) at_label[i] = columns[label[row + i] * kLanes + i];
    store(at_label, factor * (exp_minus_1(load(at_label)) + own));
    for (int64_t j = 0; j < n; ++j) {
      store(columns + j * kLanes, factor * (exp(load(columns + j * kLanes)) - others));
    }
    for (int64_t i = 0; i < count; ++i) columns[label[row + i] * kLanes + i] = at_label[i];
  });
}

}  // namespace softmax
}  // namespace
}  // namespace pleat::kernels
