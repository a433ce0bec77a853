#pragma once

#include "kernels/channels_last/contract.hpp"
#include "kernels/channels_last/winograd.hpp"
#include "kernels/gemm/reference.hpp"

namespace pleat::kernels::reference {

template <class T>
void tap_product(const TapProduct<T>& p) {
  for (int64_t i = 0; i < p.rows; ++i) {
    for (int64_t j = 0; j < p.columns; ++j) {
      const T* w = p.weights + j / kGemmTile * kGemmTile * p.taps * p.depth + j % kGemmTile;
      T sum = 0;
      for (int64_t t = 0; t < p.taps; ++t) {
        for (int64_t l = 0; l < p.depth; ++l, w += kGemmTile) {
          sum += p.x[p.pixels[i] + p.offsets[t] + l] * *w;
        }
      }
      p.y[i * p.y_stride + j] = gemm_finish(sum, i, j, p.epilogue);
    }
  }
}

template <class T>
void depthwise(const DepthwiseRow<T>& d) {
  for (int64_t q = 0; q < d.outputs; ++q) {
    for (int64_t c = 0; c < d.channels; ++c) {
      T sum = 0;
      for (int64_t r = 0; r < d.rows; ++r) {
        for (int64_t k = 0; k < d.kernel; ++k) {
          const int64_t column = q * d.stride - d.pad + k * d.dilation;
          if (column < 0 || column >= d.columns) continue;
          sum +=
              d.x[d.x_rows[r] + column * d.x_stride + c] * d.weights[d.weight_rows[r] + k * d.y_stride + c];
        }
      }
      d.y[q * d.y_stride + c] = gemm_finish(sum, q, c, d.epilogue);
    }
  }
}

template <class T>
void max_row(const WindowRow<T>& row) {
  for (int64_t q = 0; q < row.outputs; ++q) {
    for (int64_t c = 0; c < row.channels; ++c) {
      const T* x = row.x + q * row.x_stride + c;
      T largest = x[row.offsets[0]];
      for (int64_t t = 1; t < row.taps; ++t) {
        const T value = x[row.offsets[t]];
        if (value > largest || value != value) largest = value;
      }
      row.y[q * row.y_stride + c] = largest;
    }
  }
}

template <class T>
void average_row(const WindowRow<T>& row, T factor) {
  constexpr int64_t kPiece = 32;
  for (int64_t q = 0; q < row.outputs; ++q) {
    for (int64_t c = 0; c < row.channels; ++c) {
      const T* x = row.x + q * row.x_stride + c;
      T sum = 0;
      for (int64_t t = 0; t < row.taps;) {
        T piece = 0;
        for (int64_t end = t + kPiece < row.taps ? t + kPiece : row.taps; t < end; ++t) {
          piece += x[row.offsets[t]];
        }
        sum += piece;
      }
      row.y[q * row.y_stride + c] = sum * factor;
    }
  }
}

template <int M, class T>
void winograd_input_tile(const WinogradInput<T>& tile) {
  using W = Winograd<M>;
  for (int64_t c = 0; c < tile.channels; ++c) {
    T d[W::kTile][W::kTile], column[W::kTile];
    for (int64_t r = 0; r < W::kTile; ++r) {
      for (int64_t q = 0; q < W::kTile; ++q) {
        const bool inside =
            r >= tile.row_begin && r < tile.row_end && q >= tile.column_begin && q < tile.column_end;
        d[r][q] = inside ? tile.x[r * tile.row_stride + q * tile.pixel_stride + c] : T(0);
      }
      W::template input<T>(d[r]);
    }
    for (int64_t q = 0; q < W::kTile; ++q) {
      for (int64_t r = 0; r < W::kTile; ++r) column[r] = d[r][q];
      W::template input<T>(column);
      for (int64_t r = 0; r < W::kTile; ++r) tile.out[(r * W::kTile + q) * tile.out_stride + c] = column[r];
    }
  }
}

template <int M, class T>
void winograd_output_tile(const WinogradOutput<T>& tile) {
  using W = Winograd<M>;
  for (int64_t c = 0; c < tile.channels; ++c) {
    T m[W::kTile][W::kTile], column[W::kTile];
    for (int64_t r = 0; r < W::kTile; ++r) {
      for (int64_t q = 0; q < W::kTile; ++q) m[r][q] = tile.in[(r * W::kTile + q) * tile.in_stride + c];
      W::template output<T>(m[r]);
    }
    for (int64_t q = 0; q < tile.columns; ++q) {
      for (int64_t r = 0; r < W::kTile; ++r) column[r] = m[r][q];
      W::template output<T>(column);
      for (int64_t r = 0; r < tile.rows; ++r) {
        const int64_t at = r * tile.row_stride + q * tile.pixel_stride;
        Epilogue<T> e = *tile.epilogue;
        if (e.residual != nullptr) e.residual += at;
        tile.y[at + c] = gemm_finish(column[r], 0, c, &e);
      }
    }
  }
}

template <class T>
void winograd_input(const WinogradInput<T>& tile) {
  tile.m == 2 ? winograd_input_tile<2>(tile) : winograd_input_tile<4>(tile);
}
template <class T>
void winograd_output(const WinogradOutput<T>& tile) {
  tile.m == 2 ? winograd_output_tile<2>(tile) : winograd_output_tile<4>(tile);
}

template <class T>
inline constexpr ChannelsLastKernels<T> kChannelsLast = {
    tap_product<T>, depthwise<T>, max_row<T>, average_row<T>, winograd_input<T>, winograd_output<T>,
};

}  // namespace pleat::kernels::reference
