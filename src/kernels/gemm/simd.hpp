#pragma once

#include "kernels/activation_simd.hpp"
#include "kernels/gemm/contract.hpp"
#include "kernels/simd.hpp"
#include "kernels/transpose_simd.hpp"

namespace pleat::kernels {
namespace {

// A micro-kernel keeps kGemmRows x 2 vectors of C in registers, beside two vectors of B and one element of A.
#if defined(PLEAT_ARCH_AVX512)
inline constexpr int kGemmRows = 14;
#elif defined(PLEAT_ARCH_NEON)
inline constexpr int kGemmRows = 12;
#else
inline constexpr int kGemmRows = 6;
#endif
inline constexpr int64_t kGemmColumns = 2 * kLanes;

// ---- Packing

void gemm_pack_a(int64_t m, int64_t k, const float* a, int64_t row_stride, int64_t column_stride,
                 float* packed) {
  for (int64_t first = 0; first < m; first += kGemmRows, packed += kGemmRows * k) {
    const float* rows = a + first * row_stride;
    if (const int64_t count = m - first; count < kGemmRows) {
      for (int64_t l = 0; l < k; ++l) {
        for (int64_t i = 0; i < kGemmRows; ++i) {
          packed[l * kGemmRows + i] = i < count ? rows[i * row_stride + l * column_stride] : 0.0f;
        }
      }
    } else if (row_stride == 1) {
      for (int64_t l = 0; l < k; ++l) {
        unroll<kGemmRows>(
            [&](auto i) PLEAT_LAMBDA_INLINE { packed[l * kGemmRows + i] = rows[l * column_stride + i]; });
      }
    } else {
      for (int64_t l = 0; l < k; ++l) {
        unroll<kGemmRows>([&](auto i) PLEAT_LAMBDA_INLINE {
          packed[l * kGemmRows + i] = rows[i * row_stride + l * column_stride];
        });
      }
    }
  }
}

// kLanes columns of B, each contiguous in l, into half a panel.
void gemm_pack_columns(int64_t k, int64_t columns, const float* b, int64_t column_stride, float* packed) {
  for (int64_t l = 0; l < k; l += kLanes) {
    const int64_t depth = k - l < kLanes ? k - l : kLanes;
    Vec v[kLanes];
    if (columns >= kLanes && depth == kLanes) {
      unroll<kLanes>([&](auto j) PLEAT_LAMBDA_INLINE { v[j] = load(b + j * column_stride + l); });
    } else {
      unroll<kLanes>([&](auto j) PLEAT_LAMBDA_INLINE {
        v[j] = j < columns ? load_n(b + j * column_stride + l, depth) : Vec(0.0f);
      });
    }
    transpose(v);
    unroll<kLanes>([&](auto i) PLEAT_LAMBDA_INLINE {
      if (i < depth) store(packed + (l + i) * kGemmColumns, v[i]);
    });
  }
}

// Rows of what is packed, panel after panel: each is read from end to end, and they are so few that their
// lines stay in the first cache wherever they lie.
inline constexpr int64_t kPackedTogether = 8;

void gemm_pack_rows_of_b(int64_t k, int64_t n, const float* b, int64_t row_stride, float* packed) {
  for (int64_t begin = 0; begin < k; begin += kPackedTogether) {
    const int64_t end = begin + kPackedTogether < k ? begin + kPackedTogether : k;
    for (int64_t first = 0; first < n; first += kGemmColumns) {
      const int64_t count = n - first, low = count < kLanes ? count : kLanes;
      const int64_t high = count < kGemmColumns ? count - low : kLanes;
      for (int64_t l = begin; l < end; ++l) {
        const float* row = b + l * row_stride + first;
        float* to = packed + first * k + l * kGemmColumns;
        store(to, low == kLanes ? load(row) : load_n(row, low));
        store(to + kLanes, high == kLanes ? load(row + kLanes)
                           : high > 0     ? load_n(row + kLanes, high)
                                          : Vec(0.0f));
      }
    }
  }
}

void gemm_pack_b(int64_t k, int64_t n, const float* b, int64_t row_stride, int64_t column_stride,
                 float* packed) {
  if (column_stride == 1) return gemm_pack_rows_of_b(k, n, b, row_stride, packed);
  for (int64_t first = 0; first < n; first += kGemmColumns, packed += kGemmColumns * k) {
    const int64_t count = n - first < kGemmColumns ? n - first : kGemmColumns;
    const float* columns = b + first * column_stride;
    if (row_stride == 1) {
      const float* high = count > kLanes ? columns + kLanes * column_stride : columns;
      gemm_pack_columns(k, count, columns, column_stride, packed);
      gemm_pack_columns(k, count - kLanes, high, column_stride, packed + kLanes);
    } else {
      for (int64_t l = 0; l < k; ++l) {
        for (int64_t j = 0; j < kGemmColumns; ++j) {
          packed[l * kGemmColumns + j] = j < count ? columns[l * row_stride + j * column_stride] : 0.0f;
        }
      }
    }
  }
}

void gemm_scale_panel(int64_t k, const float* packed, const float* factors, float* scaled) {
  for (int64_t l = 0; l < k; ++l, packed += kGemmColumns, scaled += kGemmColumns) {
    const Vec factor(factors[l]);
    store(scaled, load(packed) * factor);
    store(scaled + kLanes, load(packed + kLanes) * factor);
  }
}

// ---- Finishing a tile

// Where a tile goes and what happens to it on the way: the epilogue seen from the tile's first element.
// Activations that only bound are done in registers, between `low` and `high`; the others (`later`) on the
// stored tile.
struct TileOutput {
  float* c;
  int64_t c_stride;
  bool accumulate;
  bool has_epilogue, later;
  bool streamed;  // whole vectors go past the caches
  const float* row_bias;
  const float* column_bias;
  const float* residual;
  int64_t residual_stride;
  float low, high;
  Activation activation;
  float alpha;
};

PLEAT_INLINE TileOutput tile_output(float* c, int64_t c_stride, bool accumulate, const Epilogue<float>* e) {
  TileOutput out = {};
  out.c = c;
  out.c_stride = c_stride;
  out.accumulate = accumulate;
  if (e == nullptr) return out;
  const bool clamps = e->activation == Activation::relu || e->activation == Activation::relu6;
  const float infinity = __builtin_inff();
  out.has_epilogue = true;
  out.later = !clamps && e->activation != Activation::none;
  out.row_bias = e->row_bias;
  out.column_bias = e->column_bias;
  out.residual = e->residual;
  out.residual_stride = e->residual_stride;
  out.low = clamps ? 0.0f : -infinity;
  out.high = e->activation == Activation::relu6 ? 6.0f : infinity;
  out.activation = e->activation;
  out.alpha = e->alpha;
  return out;
}

PLEAT_INLINE TileOutput at(TileOutput out, int64_t row, int64_t column) {
  out.c += row * out.c_stride + column;
  if (out.row_bias != nullptr) out.row_bias += row;
  if (out.column_bias != nullptr) out.column_bias += column;
  if (out.residual != nullptr) out.residual += row * out.residual_stride + column;
  return out;
}

/// Makes it the tile so many rows below, without the copy of it all that at() is.
PLEAT_INLINE void advance(TileOutput& out, int64_t rows) {
  out.c += rows * out.c_stride;
  if (out.row_bias != nullptr) out.row_bias += rows;
  if (out.residual != nullptr) out.residual += rows * out.residual_stride;
}

// Scalars, not a TileOutput: one whose address is taken is kept in memory. Down the rows, which are few
// vectors wide, so that an activation's constants stay in registers.
__attribute__((noinline)) void activate_block(Activation activation, float alpha, float* block,
                                              int64_t stride, int64_t rows, int64_t columns) {
  with_activation(activation, alpha, [=](const auto& act) PLEAT_LAMBDA_INLINE {
    int64_t j = 0;
    for (; j + kLanes <= columns; j += kLanes) {
      float* c = block + j;
      for (int64_t i = 0; i < rows; ++i, c += stride) store(c, act(load(c)));
    }
    const int64_t left = columns - j;
    float* c = block + j;
    for (int64_t i = 0; left > 0 && i < rows; ++i, c += stride) store_n(c, act(load_n(c, left)), left);
  });
}

// Full: all Vecs vectors are whole; else the tile has `columns` of them.
template <int Rows, int Vecs, bool Full>
PLEAT_INLINE void finish(Vec (&acc)[Rows][Vecs], const TileOutput& out, int64_t columns) {
  const auto lanes = [&](int v) PLEAT_LAMBDA_INLINE {
    const int64_t left = columns - v * kLanes;
    return left < 0 ? 0 : left < kLanes ? left : kLanes;
  };
  const auto load_at = [&](const float* p, auto v) PLEAT_LAMBDA_INLINE {
    return Full ? load(p + v * kLanes) : load_n(p + v * kLanes, lanes(v));
  };
  const auto each = [&](const auto& body) PLEAT_LAMBDA_INLINE {
    unroll<Rows>([&](auto i)
                     PLEAT_LAMBDA_INLINE { unroll<Vecs>([&](auto v) PLEAT_LAMBDA_INLINE { body(i, v); }); });
  };
  if (out.accumulate) {
    each([&](auto i, auto v)
             PLEAT_LAMBDA_INLINE { acc[i][v] = load_at(out.c + i * out.c_stride, v) + acc[i][v]; });
  }
  if (out.has_epilogue) {
    if (out.row_bias != nullptr) {
      each([&](auto i, auto v) PLEAT_LAMBDA_INLINE { acc[i][v] = acc[i][v] + Vec(out.row_bias[i]); });
    }
    if (out.column_bias != nullptr) {
      Vec bias[Vecs];
      unroll<Vecs>([&](auto v) PLEAT_LAMBDA_INLINE { bias[v] = load_at(out.column_bias, v); });
      each([&](auto i, auto v) PLEAT_LAMBDA_INLINE { acc[i][v] = acc[i][v] + bias[v]; });
    }
    if (out.residual != nullptr) {
      each([&](auto i, auto v) PLEAT_LAMBDA_INLINE {
        acc[i][v] = acc[i][v] + load_at(out.residual + i * out.residual_stride, v);
      });
    }
    const Vec low(out.low), high(out.high);
    each([&](auto i, auto v)
             PLEAT_LAMBDA_INLINE { acc[i][v] = xsimd::min(high, xsimd::max(low, acc[i][v])); });
  }
  if (Full && out.streamed) {
    each([&](auto i, auto v)
             PLEAT_LAMBDA_INLINE { stream(out.c + i * out.c_stride + v * kLanes, acc[i][v]); });
    return;
  }
  each([&](auto i, auto v) PLEAT_LAMBDA_INLINE {
    float* c = out.c + i * out.c_stride + v * kLanes;
    if (Full || columns >= (v + 1) * kLanes) {
      store(c, acc[i][v]);
    } else {
      store_n(c, acc[i][v], lanes(v));
    }
  });
  if (out.later) activate_block(out.activation, out.alpha, out.c, out.c_stride, Rows, columns);
}

// ---- Micro-kernels

struct TileInput {
  int64_t k;
  const float* a;
  int64_t row_stride, column_stride;  // of A; within a panel where it is packed
  const float* b;
  int64_t panel_stride;  // from one panel of B to the next
};

// Rows x `columns` of C, at most Vecs vectors. More than two vectors are neighbouring panels: few rows need
// more columns for enough independent sums.
template <int Rows, int Vecs, bool PackedA>
void multiply_tile(const TileInput& in, const TileOutput& out, int64_t columns) {
  Vec acc[Rows][Vecs];
  unroll<Rows>([&](auto i) PLEAT_LAMBDA_INLINE {
    unroll<Vecs>([&](auto v) PLEAT_LAMBDA_INLINE { acc[i][v] = Vec(0.0f); });
  });
  const int64_t row_stride = PackedA ? 1 : in.row_stride;
  const int64_t column_stride = PackedA ? int64_t{kGemmRows} : in.column_stride;
  const int64_t panel_stride = in.panel_stride;
  const float* a = in.a;
  const float* b = in.b;
  for (int64_t l = in.k; l > 0; --l) {
    Vec row[Vecs];
    unroll<Vecs>([&](auto v)
                     PLEAT_LAMBDA_INLINE { row[v] = load(b + v / 2 * panel_stride + v % 2 * kLanes); });
    unroll<Rows>([&](auto i) PLEAT_LAMBDA_INLINE {
      const Vec element(a[i * row_stride]);
      unroll<Vecs>([&](auto v) PLEAT_LAMBDA_INLINE { acc[i][v] = xsimd::fma(element, row[v], acc[i][v]); });
    });
    a += column_stride;
    b += kGemmColumns;
  }
  if (columns == Vecs * kLanes) {
    finish<Rows, Vecs, true>(acc, out, columns);
  } else {
    finish<Rows, Vecs, false>(acc, out, columns);
  }
}

using TileKernel = void (*)(const TileInput&, const TileOutput&, int64_t);

template <int Vecs, int... I>
PLEAT_INLINE TileKernel tile_kernel(int64_t rows, std::integer_sequence<int, I...>) {
  static constexpr TileKernel kernels[] = {multiply_tile<I + 1, Vecs, false>...};
  return kernels[rows - 1];
}

/// Rows in as few tiles of at most `most` as there can be, of almost equal height, the first `taller` of one
/// row more: a last one of few rows would wait for its sums.
struct RowTiles {
  int64_t count, height, taller;
  PLEAT_INLINE RowTiles(int64_t rows, int64_t most)
      : count((rows + most - 1) / most), height(rows / count), taller(rows % count) {}
  PLEAT_INLINE int64_t rows(int64_t tile) const { return height + (tile < taller ? 1 : 0); }
};

inline constexpr int kFewRows = 3;  // which need more than two vectors for enough independent sums

// The last rows, fewer than kGemmRows.
void multiply_last_rows(int64_t rows, int64_t n, TileInput in, const TileOutput& out) {
  constexpr std::make_integer_sequence<int, kGemmRows - 1> all_rows;
  constexpr std::make_integer_sequence<int, kFewRows> few_rows;
  int64_t j = 0;
  if (rows <= kFewRows) {
    const int64_t wide = rows == 1 ? 4 * kGemmColumns : 2 * kGemmColumns;
    const TileKernel kernel = rows == 1 ? multiply_tile<1, 8, false> : tile_kernel<4>(rows, few_rows);
    for (; j + wide <= n; j += wide, in.b += wide * in.k) kernel(in, at(out, 0, j), wide);
  }
  for (; j < n; j += kGemmColumns, in.b += kGemmColumns * in.k) {
    tile_kernel<2>(rows, all_rows)(in, at(out, 0, j), n - j < kGemmColumns ? n - j : kGemmColumns);
  }
}

// A panel of B stays in the first cache while the rows of A pass by it.
void gemm_multiply(int64_t m, int64_t n, int64_t k, const float* packed_a, const float* packed_b, float* c,
                   int64_t c_stride, bool accumulate, const Epilogue<float>* epilogue) {
  const TileOutput out = tile_output(c, c_stride, accumulate, epilogue);
  TileInput in = {k, packed_a, 1, kGemmRows, packed_b, k * kGemmColumns};
  const int64_t whole = m / kGemmRows * kGemmRows;
  for (int64_t j = 0; j < n && whole > 0; j += kGemmColumns) {
    in.a = packed_a;
    in.b = packed_b + j * k;
    const int64_t columns = n - j < kGemmColumns ? n - j : kGemmColumns;
    for (int64_t i = 0; i < whole; i += kGemmRows, in.a += kGemmRows * k) {
      if (columns > kLanes) {
        multiply_tile<kGemmRows, 2, true>(in, at(out, i, j), columns);
      } else {
        multiply_tile<kGemmRows, 1, true>(in, at(out, i, j), columns);
      }
    }
  }
  if (whole == m) return;
  in.a = packed_a + whole * k;
  in.b = packed_b;
  multiply_last_rows(m - whole, n, in, at(out, whole, 0));
}

void gemm_multiply_strided(int64_t m, int64_t n, int64_t k, const float* a, int64_t row_stride,
                           int64_t column_stride, const float* packed_b, float* c, int64_t c_stride,
                           bool accumulate, const Epilogue<float>* epilogue) {
  constexpr std::make_integer_sequence<int, kGemmRows> all_rows;
  const TileOutput out = tile_output(c, c_stride, accumulate, epilogue);
  TileInput in = {k, a, row_stride, column_stride, packed_b, k * kGemmColumns};
  if (m == 0) return;
  if (m <= kFewRows) return multiply_last_rows(m, n, in, out);
  const RowTiles tiles(m, kGemmRows);
  for (int64_t j = 0; j < n; j += kGemmColumns, in.b += kGemmColumns * k) {
    const int64_t columns = n - j < kGemmColumns ? n - j : kGemmColumns;
    TileOutput tile_out = at(out, 0, j);
    in.a = a;
    for (int64_t tile = 0; tile < tiles.count; ++tile) {
      const int64_t rows = tiles.rows(tile);
      const TileKernel kernel =
          columns > kLanes ? tile_kernel<2>(rows, all_rows) : tile_kernel<1>(rows, all_rows);
      kernel(in, tile_out, columns);
      in.a += rows * row_stride;
      advance(tile_out, rows);
    }
  }
}

// ---- Few rows, nothing packed

// Rows x Columns dot products along contiguous l; sums[i][j] in every row's and column's own accumulator.
template <int Rows, int Columns>
void dot_tile(int64_t k, const float* a, int64_t a_stride, const float* b, int64_t b_stride,
              const TileOutput& out) {
  Vec acc[Rows][Columns];
  unroll<Rows>([&](auto i) PLEAT_LAMBDA_INLINE {
    unroll<Columns>([&](auto j) PLEAT_LAMBDA_INLINE { acc[i][j] = Vec(0.0f); });
  });
  const auto step = [&](const auto& load_at) PLEAT_LAMBDA_INLINE {
    Vec rows[Rows];
    unroll<Rows>([&](auto i) PLEAT_LAMBDA_INLINE { rows[i] = load_at(a + i * a_stride); });
    unroll<Columns>([&](auto j) PLEAT_LAMBDA_INLINE {
      const Vec column = load_at(b + j * b_stride);
      unroll<Rows>([&](auto i) PLEAT_LAMBDA_INLINE { acc[i][j] = xsimd::fma(rows[i], column, acc[i][j]); });
    });
  };
  int64_t l = 0;
  for (; l + kLanes <= k; l += kLanes) {
    step([&](const float* p) PLEAT_LAMBDA_INLINE { return load(p + l); });
  }
  if (l < k) step([&](const float* p) PLEAT_LAMBDA_INLINE { return load_n(p + l, k - l); });
  unroll<Rows>([&](auto i) PLEAT_LAMBDA_INLINE {
    unroll<Columns>([&](auto j) PLEAT_LAMBDA_INLINE {
      float sum = sum_lanes(acc[i][j]);
      if (out.row_bias != nullptr) sum += out.row_bias[i];
      if (out.column_bias != nullptr) sum += out.column_bias[j];
      if (out.residual != nullptr) sum += out.residual[i * out.residual_stride + j];
      out.c[i * out.c_stride + j] = sum;
    });
  });
}

template <int Rows>
void dot_rows(int64_t n, int64_t k, const float* a, int64_t a_stride, const float* b, int64_t b_stride,
              const TileOutput& out) {
  constexpr int columns = Rows == 1 ? 8 : 4;
  int64_t j = 0;
  for (; j + columns <= n; j += columns) {
    dot_tile<Rows, columns>(k, a, a_stride, b + j * b_stride, b_stride, at(out, 0, j));
  }
  for (; j < n; ++j) dot_tile<Rows, 1>(k, a, a_stride, b + j * b_stride, b_stride, at(out, 0, j));
}

void gemm_multiply_rows(int64_t m, int64_t n, int64_t k, const float* a, int64_t a_stride, const float* b,
                        int64_t b_stride, float* c, int64_t c_stride, const Epilogue<float>* epilogue) {
  const TileOutput out = tile_output(c, c_stride, false, epilogue);
  int64_t i = 0;
  for (; i + 3 <= m; i += 3) dot_rows<3>(n, k, a + i * a_stride, a_stride, b, b_stride, at(out, i, 0));
  if (i + 2 <= m) {
    dot_rows<2>(n, k, a + i * a_stride, a_stride, b, b_stride, at(out, i, 0));
    i += 2;
  }
  if (i < m) dot_rows<1>(n, k, a + i * a_stride, a_stride, b, b_stride, at(out, i, 0));
  if (out.activation != Activation::none)
    activate_block(out.activation, out.alpha, out.c, out.c_stride, m, n);
}

inline constexpr GemmKernels<float> kGemm = {.mr = kGemmRows,
                                             .nr = kGemmColumns,
                                             .pack_a = gemm_pack_a,
                                             .pack_b = gemm_pack_b,
                                             .scale_panel = gemm_scale_panel,
                                             .multiply = gemm_multiply,
                                             .multiply_strided = gemm_multiply_strided,
                                             .multiply_rows = gemm_multiply_rows};

}  // namespace
}  // namespace pleat::kernels
