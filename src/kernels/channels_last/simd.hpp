#pragma once

#include "kernels/channels_last/channels.hpp"
#include "kernels/channels_last/contract.hpp"
#include "kernels/channels_last/depthwise.hpp"
#include "kernels/channels_last/gradient.hpp"
#include "kernels/channels_last/winograd_simd.hpp"
#include "kernels/gemm/simd.hpp"

namespace pleat::kernels {
namespace {

// ---- Products

/// What a tile asks for meanwhile: `next`, then at each step what is `step` elements on.
struct Ahead {
  const float* next;
  int64_t step;
};

// So many rows of x, equally far apart, are addressed from one pointer by multiples of three strides.
inline constexpr int kSpacedRows = 7;

// Rows x `columns` of y from row `first` on, at most Vecs vectors. Spaced: no list says where rows of x are.
// More than two vectors are neighbouring panels.
template <int Rows, int Vecs, bool Spaced>
void product_tile(const TapProduct<float>& p, int64_t first, const float* w, Ahead ahead,
                  const TileOutput& out, int64_t columns) {
  Vec acc[Rows][Vecs];
  unroll<Rows>([&](auto i) PLEAT_LAMBDA_INLINE {
    unroll<Vecs>([&](auto v) PLEAT_LAMBDA_INLINE { acc[i][v] = Vec(0.0f); });
  });
  const int64_t panel = p.taps * p.depth * kGemmColumns;
  const auto step = [&](const auto& x_at) PLEAT_LAMBDA_INLINE {
    __builtin_prefetch(ahead.next, 0, 2);
    ahead.next += ahead.step;
    Vec row[Vecs];
    unroll<Vecs>([&](auto v) PLEAT_LAMBDA_INLINE { row[v] = load(w + v / 2 * panel + v % 2 * kLanes); });
    w += kGemmColumns;
    unroll<Rows>([&](auto i) PLEAT_LAMBDA_INLINE {
      const Vec element(x_at(i));
      unroll<Vecs>([&](auto v) PLEAT_LAMBDA_INLINE { acc[i][v] = xsimd::fma(element, row[v], acc[i][v]); });
    });
  };
  if constexpr (Spaced) {
    constexpr int pointers = (Rows + kSpacedRows - 1) / kSpacedRows;
    const int64_t stride = p.pixel_stride;
    for (int64_t t = 0; t < p.taps; ++t) {
      const float* x[pointers];
      unroll<pointers>([&](auto i) PLEAT_LAMBDA_INLINE {
        x[i] = p.x + (first + i * kSpacedRows) * stride + p.offsets[t];
        asm("" : "+r"(x[i]));  // not one pointer and more strides
      });
      for (int64_t l = 0; l < p.depth; ++l) {
        step([&](auto i) PLEAT_LAMBDA_INLINE { return x[i / kSpacedRows][i % kSpacedRows * stride]; });
        unroll<pointers>([&](auto i) PLEAT_LAMBDA_INLINE { ++x[i]; });
      }
    }
  } else {
    const float* x[Rows];
    unroll<Rows>([&](auto i) PLEAT_LAMBDA_INLINE { x[i] = p.x + p.pixels[first + i]; });
    for (int64_t t = 0; t < p.taps; ++t) {
      const int64_t end = p.offsets[t] + p.depth;
      for (int64_t l = p.offsets[t]; l < end; ++l) {
        step([&](auto i) PLEAT_LAMBDA_INLINE { return x[i][l]; });
      }
    }
  }
  if (columns == Vecs * kLanes) {
    finish<Rows, Vecs, true>(acc, out, columns);
  } else {
    finish<Rows, Vecs, false>(acc, out, columns);
  }
}

inline constexpr int64_t kTilesAhead = 8;         // memory keeps up with these, and the second cache with it
inline constexpr int64_t kPanelAhead = 64 << 10;  // elements of a panel that the second cache holds twice
inline constexpr int64_t kActivatedRows = 96;     // of a panel, together: long loops hide what exp waits for

using ProductTile = void (*)(const TapProduct<float>&, int64_t, const float*, Ahead, const TileOutput&,
                             int64_t);

template <int Vecs, int... I>
PLEAT_INLINE ProductTile product_kernel(bool spaced, int64_t rows, std::integer_sequence<int, I...>) {
  static constexpr ProductTile kernels[2][sizeof...(I)] = {{product_tile<I + 1, Vecs, false>...},
                                                           {product_tile<I + 1, Vecs, true>...}};
  return kernels[spaced ? 1 : 0][rows - 1];
}

// One row takes four panels at a time, for enough independent sums.
inline void product_row(TapProduct<float> p, const TileOutput& out) {
  static constexpr ProductTile kernels[] = {product_tile<1, 2, true>, product_tile<1, 4, true>,
                                            product_tile<1, 6, true>, product_tile<1, 8, true>};
  constexpr int64_t most = std::size(kernels) * kGemmColumns;
  if (p.pixels != nullptr) {
    p.x += p.pixels[0];
    p.pixels = nullptr;
  }
  for (int64_t j = 0; j < p.columns; j += most) {
    const int64_t columns = p.columns - j < most ? p.columns - j : most;
    const auto kernel = kernels[(columns - 1) / kGemmColumns];
    const float* w = p.weights + j * p.taps * p.depth;
    kernel(p, 0, w, {w, 0}, at(out, 0, j), columns);
  }
}

/// Asks for the residual's lines of rows [i, i + kGemmRows) of a panel, or of the next panel's first.
PLEAT_INLINE void prefetch_residual(const TapProduct<float>& p, int64_t i, int64_t j) {
  if (i >= p.rows) {
    i = 0;
    j += kGemmColumns;
  }
  const Epilogue<float>& e = *p.epilogue;
  const int64_t end = i + kGemmRows < p.rows ? i + kGemmRows : p.rows;
  for (; i < end; ++i) __builtin_prefetch(e.residual + i * e.residual_stride + j);
}

// Columns [j, j + columns) of y, at most Vecs vectors, by tiles of at most Rows rows.
template <int Rows, int Vecs>
PLEAT_INLINE void product_columns(const TapProduct<float>& p, const TileOutput& out, bool activate, int64_t j,
                                  int64_t columns) {
  const RowTiles tiles(p.rows, Rows);
  const int64_t depth = p.taps * p.depth, panel = depth * kGemmColumns;
  // The next panel comes from memory while tiles pass by this one, a part of it during each of the first.
  const int64_t ahead = panel > kPanelAhead ? 0 : tiles.count < kTilesAhead ? tiles.count : kTilesAhead;
  const int64_t step = ahead > 0 ? (kGemmColumns + ahead - 1) / ahead : 0;
  const float* w = p.weights + j * depth;
  TileOutput tile_out = at(out, 0, j);
  for (int64_t tile = 0, i = 0, activated = 0; tile < tiles.count; ++tile) {
    const int64_t end = i + tiles.rows(tile);
    const auto kernel =
        product_kernel<Vecs>(p.pixels == nullptr, end - i, std::make_integer_sequence<int, Rows>());
    if (out.residual != nullptr) prefetch_residual(p, end, j);
    const Ahead next = tile < ahead ? Ahead{w + panel + tile * depth * step, step} : Ahead{w, 0};
    kernel(p, i, w, next, tile_out, columns);
    advance(tile_out, end - i);
    i = end;
    if (activate && (i - activated >= kActivatedRows || i == p.rows)) {
      activate_block(out.activation, out.alpha, p.y + activated * p.y_stride + j, p.y_stride, i - activated,
                     columns);
      activated = i;
    }
  }
}

inline void product(const TapProduct<float>& p) {
  TileOutput out = tile_output(p.y, p.y_stride, false, p.epilogue);
  if (p.rows == 0) return;
  if (p.rows == 1) return product_row(p, out);
  const bool activate = out.later;
  out.later = false;
  out.streamed = p.streamed;
  for (int64_t j = 0; j < p.columns;) {
    const int64_t left = p.columns - j;
    if (left > kGemmColumns && left <= kGemmColumns + kLanes) {  // one vector by itself has too few sums
      product_columns<kGemmRows * 2 / 3, 3>(p, out, activate, j, left);
      break;
    }
    if (left > kLanes) {
      product_columns<kGemmRows, 2>(p, out, activate, j, left < kGemmColumns ? left : kGemmColumns);
    } else {
      product_columns<kGemmRows, 1>(p, out, activate, j, left);
    }
    j += kGemmColumns;
  }
  if (p.streamed) finish_streaming();
}

// ---- Windows

inline constexpr int kWindowOutputs = 6;

// Outputs [q, q + Outputs) of a vector of channels: starts, then combines each tap, then ends and stores.
template <int Outputs, class Load, class Start, class Combine, class End>
PLEAT_INLINE void window_block(const WindowRow<float>& row, int64_t q, int64_t c, const Load& read,
                               const Start& start, const Combine& combine, const End& end) {
  const float* x = row.x + q * row.x_stride + c;
  Vec sum[Outputs];
  unroll<Outputs>([&](auto i) PLEAT_LAMBDA_INLINE { sum[i] = start(read(x + i * row.x_stride)); });
  for (int64_t t = 0; t < row.taps; ++t) {
    const auto add = combine(t);
    const float* tap = x + row.offsets[t];
    unroll<Outputs>([&](auto i) PLEAT_LAMBDA_INLINE { sum[i] = add(sum[i], read(tap + i * row.x_stride)); });
  }
  unroll<Outputs>([&](auto i) PLEAT_LAMBDA_INLINE { end(q + i, sum[i]); });
}

template <class Load, class Start, class Combine, class End>
PLEAT_INLINE void window_row(const WindowRow<float>& row, int64_t c, const Load& read, const Start& start,
                             const Combine& combine, const End& end) {
  int64_t q = 0;
  for (; q + kWindowOutputs <= row.outputs; q += kWindowOutputs) {
    window_block<kWindowOutputs>(row, q, c, read, start, combine, end);
  }
  for (; q < row.outputs; ++q) window_block<1>(row, q, c, read, start, combine, end);
}

inline void max_row(const WindowRow<float>& row) {
  for_channels(row.channels, [&](int64_t c, const auto& read, const auto& write) PLEAT_LAMBDA_INLINE {
    window_row(
        row, c, read, [](Vec) PLEAT_LAMBDA_INLINE { return Vec(-__builtin_inff()); },
        [](int64_t) PLEAT_LAMBDA_INLINE {
          // max returns its second operand where either is NaN.
          return [](Vec largest, Vec x) PLEAT_LAMBDA_INLINE {
            const Vec larger = xsimd::max(largest, x);
            return xsimd::select(largest == largest, larger, largest);
          };
        },
        [&](int64_t q, Vec largest) PLEAT_LAMBDA_INLINE { write(row.y + q * row.y_stride + c, largest); });
  });
}

// Vecs neighbouring vectors of channels, each in Chains sums that do not wait for each other.
template <int Vecs, int Chains, class Load, class Store>
PLEAT_INLINE void average_channels(const WindowRow<float>& row, int64_t c, float factor, const Load& read,
                                   const Store& write) {
  constexpr int64_t kPiece = 32 * Chains;
  for (int64_t q = 0; q < row.outputs; ++q) {
    const float* x = row.x + q * row.x_stride + c;
    float* y = row.y + q * row.y_stride + c;
    Vec sum[Vecs], piece[Chains][Vecs];
    const auto add = [&](auto k, int64_t t) PLEAT_LAMBDA_INLINE {
      const float* tap = x + row.offsets[t];
      unroll<Vecs>([&](auto v) PLEAT_LAMBDA_INLINE { piece[k][v] += read(tap + v * kLanes); });
    };
    unroll<Vecs>([&](auto v) PLEAT_LAMBDA_INLINE { sum[v] = Vec(0.0f); });
    for (int64_t t = 0; t < row.taps;) {
      unroll<Chains>([&](auto k) PLEAT_LAMBDA_INLINE {
        unroll<Vecs>([&](auto v) PLEAT_LAMBDA_INLINE { piece[k][v] = Vec(0.0f); });
      });
      const int64_t end = t + kPiece < row.taps ? t + kPiece : row.taps;
      for (; t + Chains <= end; t += Chains) {
        unroll<Chains>([&](auto k) PLEAT_LAMBDA_INLINE { add(k, t + k); });
      }
      for (; t < end; ++t) add(Index<0>{}, t);
      unroll<Chains>([&](auto k) PLEAT_LAMBDA_INLINE {
        unroll<Vecs>([&](auto v) PLEAT_LAMBDA_INLINE { sum[v] += piece[k][v]; });
      });
    }
    unroll<Vecs>([&](auto v) PLEAT_LAMBDA_INLINE { write(y + v * kLanes, sum[v] * Vec(factor)); });
  }
}

inline void average_row(const WindowRow<float>& row, float factor) {
  const auto whole = [](const float* p) PLEAT_LAMBDA_INLINE { return load(p); };
  const auto write = [](float* p, Vec v) PLEAT_LAMBDA_INLINE { store(p, v); };
  int64_t first = 0;
  for (; first + 4 * kLanes <= row.channels; first += 4 * kLanes) {
    average_channels<4, 1>(row, first, factor, whole, write);
  }
  for (; first + 2 * kLanes <= row.channels; first += 2 * kLanes) {
    average_channels<2, 2>(row, first, factor, whole, write);
  }
  for_channels(row.channels - first, [&](int64_t c, const auto& read, const auto& put) PLEAT_LAMBDA_INLINE {
    average_channels<1, 4>(row, first + c, factor, read, put);
  });
}

inline constexpr ChannelsLastKernels<float> kChannelsLast = {
    .product = product,
    .depthwise = depthwise,
    .max = max_row,
    .average = average_row,
    .winograd_input = winograd_input,
    .winograd_output = winograd_output,
    .winograd_filter = winograd_filter,
    .winograd_output_gradient = winograd_output_gradient,
    .winograd_filter_gradient = winograd_filter_gradient,
    .pack_pixels = pack_pixels,
    .depthwise_weights = depthwise_weights,
    .max_gradient = max_row_gradient,
    .average_gradient = average_row_gradient,
};

}  // namespace
}  // namespace pleat::kernels
