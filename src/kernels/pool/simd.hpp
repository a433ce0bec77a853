#pragma once

#include "kernels/pool/contract.hpp"
#include "kernels/simd.hpp"

namespace pleat::kernels {
namespace {

// A row of windows is reduced in two steps: down the rows into `row` (one padded row of x), then along it.

struct MaxOf {
  static constexpr float kEmpty = -__builtin_inff();
  /// NaN wins: max(v, m) keeps a NaN m (x86's max returns its second operand then), select keeps a NaN v.
  /// (xsimd 8.1's v != v is false for NaN on AVX.)
  static PLEAT_INLINE Vec apply(Vec m, Vec v) { return xsimd::select(xsimd::isnan(v), v, xsimd::max(v, m)); }
};
struct SumOf {
  static constexpr float kEmpty = 0;
  static PLEAT_INLINE Vec apply(Vec m, Vec v) { return m + v; }
};

/// The rows or columns of a window inside the plane: those of [begin, end) of its kernel.
struct Inside {
  int64_t begin, end;
};
PLEAT_INLINE Inside inside(int64_t start, int64_t kernel, int64_t dilation, int64_t size) {
  int64_t begin = start < 0 ? (-start + dilation - 1) / dilation : 0;
  if (begin > kernel) begin = kernel;
  int64_t end = size > start ? (size - start + dilation - 1) / dilation : 0;
  if (end > kernel) end = kernel;
  return {begin, end > begin ? end : begin};
}
PLEAT_INLINE Inside rows_inside(const PoolPlane& p, int64_t i) {
  return inside(i * p.stride_h - p.pad_h, p.kernel_h, p.dilation_h, p.in_h);
}

PLEAT_INLINE void fill_row(float* row, int64_t n, float value) {
  for (int64_t i = 0; i < n; ++i) row[i] = value;
}

/// row[c] = reduction of x[c + r * pitch] over r in [0, rows); Rows > 0 fixes rows.
template <class Op, int Rows>
PLEAT_INLINE void reduce_down(int64_t n, int64_t rows, const float* x, int64_t pitch, float* row) {
  const auto reduce = [&](const auto& load_at) PLEAT_LAMBDA_INLINE {
    if constexpr (Rows > 0) {
      Vec m = load_at(0);
      unroll<Rows - 1>([&](auto r) PLEAT_LAMBDA_INLINE { m = Op::apply(m, load_at(r + 1)); });
      return m;
    } else {
      Vec m(Op::kEmpty);
      for (int64_t r = 0; r < rows; ++r) m = Op::apply(m, load_at(r));
      return m;
    }
  };
  int64_t c = 0;
  for (; c + kLanes <= n; c += kLanes) {
    store(row + c, reduce([&](int64_t r) PLEAT_LAMBDA_INLINE { return load(x + c + r * pitch); }));
  }
  if (c < n) {
    store_n(row + c, reduce([&](int64_t r) PLEAT_LAMBDA_INLINE { return load_n(x + c + r * pitch, n - c); }),
            n - c);
  }
}

/// y[q] = reduction of row[q + c * dilation] over c in [0, columns), 0 <= q < n; reads past n by kLanes.
template <class Op, int Columns>
PLEAT_INLINE void reduce_along(int64_t n, int64_t columns, int64_t dilation, const float* row, float* y) {
  const auto reduce = [&](const float* at) PLEAT_LAMBDA_INLINE {
    Vec m = load(at);
    if constexpr (Columns > 0) {
      unroll<Columns - 1>([&](auto c)
                              PLEAT_LAMBDA_INLINE { m = Op::apply(m, load(at + (c + 1) * dilation)); });
    } else {
      for (int64_t c = 1; c < columns; ++c) m = Op::apply(m, load(at + c * dilation));
    }
    return m;
  };
  int64_t q = 0;
  for (; q + kLanes <= n; q += kLanes) store(y + q, reduce(row + q));
  if (q < n) store_n(y + q, reduce(row + q), n - q);
}

/// One row of y: the reduction of every window of row i.
template <class Op>
PLEAT_INLINE void pool_row(const PoolPlane& p, int64_t i, const float* x, float* y, float* row,
                           float* sliding) {
  const Inside r = rows_inside(p, i);
  const int64_t rows = r.end - r.begin, pitch = p.dilation_h * p.in_w;
  const float* top = x;
  if (rows > 0) top += (i * p.stride_h - p.pad_h + r.begin * p.dilation_h) * p.in_w;
  if (rows == 3) {
    reduce_down<Op, 3>(p.in_w, 3, top, pitch, row + p.pad_w);
  } else if (rows == 2) {
    reduce_down<Op, 2>(p.in_w, 2, top, pitch, row + p.pad_w);
  } else {
    reduce_down<Op, 0>(p.in_w, rows, top, pitch, row + p.pad_w);
  }

  float* slid = p.stride_w == 1 ? y : sliding;
  const int64_t positions = (p.out_w - 1) * p.stride_w + 1;
  if (p.kernel_w == 3) {
    reduce_along<Op, 3>(positions, 3, p.dilation_w, row, slid);
  } else if (p.kernel_w == 2) {
    reduce_along<Op, 2>(positions, 2, p.dilation_w, row, slid);
  } else {
    reduce_along<Op, 0>(positions, p.kernel_w, p.dilation_w, row, slid);
  }
  if (p.stride_w == 2) {  // a constant stride becomes shuffles
    for (int64_t j = 0; j < p.out_w; ++j) y[j] = sliding[2 * j];
  } else if (p.stride_w > 2) {
    for (int64_t j = 0; j < p.out_w; ++j) y[j] = sliding[j * p.stride_w];
  }
}

template <class Op>
PLEAT_INLINE float* begin_rows(const PoolPlane& p, float* scratch) {
  const int64_t width = padded_width(p) + 2 * kLanes;
  fill_row(scratch, width, Op::kEmpty);
  return scratch + width;
}

void max_pool(const PoolPlane& p, const float* x, float* y, float* scratch) {
  float* sliding = begin_rows<MaxOf>(p, scratch);
  for (int64_t i = 0; i < p.out_h; ++i) pool_row<MaxOf>(p, i, x, y + i * p.out_w, scratch, sliding);
}

/// dx of window row i, one window after another.
PLEAT_INLINE void max_gradient_row(const PoolPlane& p, int64_t i, const float* x, const float* y,
                                   const float* dy, float* dx) {
  const Inside r = rows_inside(p, i);
  for (int64_t j = 0; j < p.out_w; ++j) {
    const int64_t left = j * p.stride_w - p.pad_w;
    const Inside c = inside(left, p.kernel_w, p.dilation_w, p.in_w);
    int64_t first = -1;
    for (int64_t row = r.begin; row < r.end && first < 0; ++row) {
      const int64_t begin = (i * p.stride_h - p.pad_h + row * p.dilation_h) * p.in_w + left;
      for (int64_t column = c.begin; column < c.end && first < 0; ++column) {
        const float v = x[begin + column * p.dilation_w];
        if (v == y[j] || v != v) first = begin + column * p.dilation_w;
      }
    }
    if (first >= 0) dx[first] += dy[j];
  }
}

/// A padded row of x as stride_w rows of `length`: column q * stride_w + f of it is at [f][q]. So the
/// windows' c-th columns are neighbours: [c * dilation_w % stride_w][j + c * dilation_w / stride_w].
struct Phases {
  int64_t stride, length, pad, width;  ///< width: columns of x that are in it
  explicit PLEAT_INLINE Phases(const PoolPlane& p)
      : stride(p.stride_w),
        length(p.out_w + (p.kernel_w - 1) * p.dilation_w / p.stride_w + 1 + kLanes),
        pad(p.pad_w),
        width(stride * length - pad < p.in_w ? stride * length - pad : p.in_w) {}

  PLEAT_INLINE int64_t place(int64_t column) const {
    return (column + pad) % stride * length + (column + pad) / stride;
  }
  /// body(place of column, column) for all; two at once for stride 2, where the compiler makes shuffles of
  /// it.
  template <class Body>
  PLEAT_INLINE void for_columns(const Body& body) const {
    if (stride == 1) {
      for (int64_t c = 0; c < width; ++c) body(pad + c, c);
    } else if (stride == 2) {
      const int64_t begin = pad % 2 < width ? pad % 2 : width, pairs = (width - begin) / 2;
      if (begin == 1) body(place(0), 0);
      const int64_t even = (begin + pad) / 2, odd = even + length;
      for (int64_t q = 0; q < pairs; ++q) {
        body(even + q, begin + 2 * q);
        body(odd + q, begin + 2 * q + 1);
      }
      if (begin + 2 * pairs < width) body(even + pairs, width - 1);
    } else {
      for (int64_t c = 0; c < width; ++c) body(place(c), c);
    }
  }
};

/// The same for rows without NaN, kLanes windows at once: an element equal to its window's y takes what is
/// left of the window's dy.
PLEAT_INLINE void max_gradient_row(const PoolPlane& p, const Phases& phases, int64_t i, const float* x,
                                   const float* y, const float* dy, float* dx, float* scratch) {
  float *row = scratch, *sums = row + phases.stride * phases.length,
        *left = sums + phases.stride * phases.length;
  for (int64_t j = 0; j < p.out_w; ++j) left[j] = dy[j];
  for (int64_t j = p.out_w; j < p.out_w + kLanes; ++j) left[j] = 0;

  const Inside rows = rows_inside(p, i);
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const int64_t first = (i * p.stride_h - p.pad_h + r * p.dilation_h) * p.in_w;
    phases.for_columns([&](int64_t place, int64_t column)
                           PLEAT_LAMBDA_INLINE { row[place] = x[first + column]; });
    fill_row(sums, phases.stride * phases.length, 0);
    for (int64_t c = 0; c < p.kernel_w; ++c) {
      // One column after another: neighbouring columns' sums overlap, and a load that overlaps a store just
      // made has to wait for it.
      const int64_t at = c * p.dilation_w % phases.stride * phases.length + c * p.dilation_w / phases.stride;
      for (int64_t j = 0; j < p.out_w; j += kLanes) {
        const Vec top = j + kLanes <= p.out_w ? load(y + j) : load_n(y + j, p.out_w - j);
        const auto hit = load(row + at + j) == top;
        const Vec rest = load(left + j);
        store(sums + at + j, load(sums + at + j) + xsimd::select(hit, rest, Vec(0.0f)));
        store(left + j, xsimd::select(hit, Vec(0.0f), rest));
      }
    }
    float* to = dx + first;
    phases.for_columns([&](int64_t place, int64_t column) PLEAT_LAMBDA_INLINE { to[column] += sums[place]; });
  }
}

void max_pool_gradient(const PoolPlane& p, const float* x, const float* y, const float* dy, float* dx,
                       float* scratch) {
  const Phases phases(p);
  fill_row(dx, p.in_h * p.in_w, 0);
  fill_row(scratch, phases.stride * phases.length, __builtin_nanf(""));  // the padding equals no y
  for (int64_t i = 0; i < p.out_h; ++i, y += p.out_w, dy += p.out_w) {
    bool has_nan = false;
    for (int64_t j = 0; j < p.out_w; ++j) has_nan |= y[j] != y[j];
    if (has_nan || p.out_w < 4) {
      max_gradient_row(p, i, x, y, dy, dx);
    } else {
      max_gradient_row(p, phases, i, x, y, dy, dx, scratch);
    }
  }
}

/// The plane whose elements an average counts.
PLEAT_INLINE PoolPlane counted_plane(const PoolPlane& p, bool count_padding) {
  PoolPlane counted = p;
  if (count_padding) {
    counted.in_h += p.pad_h + p.pad_end_h;
    counted.in_w += p.pad_w + p.pad_end_w;
    counted.pad_h = counted.pad_w = 0;
  }
  return counted;
}

/// to[j * stride] = from[j] / the divisor of window j in row i of the windows of a counted plane.
PLEAT_INLINE void divide_row(const PoolPlane& p, int64_t i, const float* from, float* to, int64_t stride) {
  const Inside r = rows_inside(p, i);
  const int64_t rows = r.end - r.begin;
  // Windows [begin, end) are inside the plane with all their columns.
  int64_t begin = (p.pad_w + p.stride_w - 1) / p.stride_w;
  if (begin > p.out_w) begin = p.out_w;
  const int64_t room = p.in_w + p.pad_w - (p.kernel_w - 1) * p.dilation_w - 1;
  int64_t end = room < 0 ? 0 : room / p.stride_w + 1;
  if (end > p.out_w) end = p.out_w;
  if (end < begin) end = begin;
  const auto edge = [&](int64_t j) PLEAT_LAMBDA_INLINE {
    const Inside c = inside(j * p.stride_w - p.pad_w, p.kernel_w, p.dilation_w, p.in_w);
    const int64_t count = rows * (c.end - c.begin);
    to[j * stride] = from[j] / static_cast<float>(count > 0 ? count : 1);
  };
  const int64_t whole = rows * p.kernel_w;
  const float divisor = static_cast<float>(whole > 0 ? whole : 1);
  for (int64_t j = 0; j < begin; ++j) edge(j);
  for (int64_t j = begin; j < end; ++j) to[j * stride] = from[j] / divisor;
  for (int64_t j = end; j < p.out_w; ++j) edge(j);
}

void average_pool(const PoolPlane& p, bool count_padding, const float* x, float* y, float* scratch) {
  const PoolPlane counted = counted_plane(p, count_padding);
  float* sliding = begin_rows<SumOf>(p, scratch);
  for (int64_t i = 0; i < p.out_h; ++i) {
    pool_row<SumOf>(p, i, x, y + i * p.out_w, scratch, sliding);
    divide_row(counted, i, y + i * p.out_w, y + i * p.out_w, 1);
  }
}

void average_pool_gradient(const PoolPlane& p, bool count_padding, const float* dy, float* dx,
                           float* scratch) {
  // spread[lead + j * stride_w] = dy[i,j] / divisor among zeros: column q of the padded plane gets the sum of
  // spread[lead + q - c * dilation_w] over c.
  const int64_t lead = (p.kernel_w - 1) * p.dilation_w;
  fill_row(scratch, lead + padded_width(p) + kLanes, 0);
  fill_row(dx, p.in_h * p.in_w, 0);
  const float* spread = scratch + lead + p.pad_w;
  const PoolPlane counted = counted_plane(p, count_padding);
  for (int64_t i = 0; i < p.out_h; ++i) {
    const Inside rows = rows_inside(p, i);
    divide_row(counted, i, dy + i * p.out_w, scratch + lead, p.stride_w);
    const int64_t top = i * p.stride_h - p.pad_h;
    for (int64_t q = 0; q < p.in_w; q += kLanes) {
      Vec sum = load(spread + q);
      for (int64_t c = 1; c < p.kernel_w; ++c) sum += load(spread + q - c * p.dilation_w);
      for (int64_t r = rows.begin; r < rows.end; ++r) {
        float* to = dx + (top + r * p.dilation_h) * p.in_w + q;
        if (q + kLanes <= p.in_w) {
          store(to, load(to) + sum);
        } else {
          store_n(to, load_n(to, p.in_w - q) + sum, p.in_w - q);
        }
      }
    }
  }
}

float mean(int64_t n, const float* x) {
  constexpr int64_t kPiece = 64 * kLanes;
  double total = 0;
  for (int64_t begin = 0; begin < n; begin += kPiece) {
    const int64_t end = begin + kPiece < n ? begin + kPiece : n;
    Vec a(0.0f), b(0.0f), c(0.0f), d(0.0f);
    int64_t i = begin;
    for (; i + 4 * kLanes <= end; i += 4 * kLanes) {
      a += load(x + i);
      b += load(x + i + kLanes);
      c += load(x + i + 2 * kLanes);
      d += load(x + i + 3 * kLanes);
    }
    for (; i + kLanes <= end; i += kLanes) a += load(x + i);
    if (i < end) b += load_n(x + i, end - i);
    float lanes[kLanes];
    store(lanes, (a + b) + (c + d));
    for (int64_t l = 0; l < kLanes; ++l) total += static_cast<double>(lanes[l]);
  }
  return static_cast<float>(total / static_cast<double>(n));
}

inline constexpr PoolKernels<float> kPool = {
    max_pool, max_pool_gradient, average_pool, average_pool_gradient, mean,
};

}  // namespace
}  // namespace pleat::kernels
