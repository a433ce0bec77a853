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
      const T* x = p.x + (p.pixels != nullptr ? p.pixels[i] : i * p.pixel_stride);
      T sum = 0;
      for (int64_t t = 0; t < p.taps; ++t) {
        for (int64_t l = 0; l < p.depth; ++l, w += kGemmTile) sum += x[p.offsets[t] + l] * *w;
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
          sum += d.x[d.x_rows[r] + column * d.x_stride + c] *
                 d.weights[d.weight_rows[r] + k * d.weight_stride + c];
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
void winograd_output_tile(const WinogradOutput<T>& tile, const Epilogue<T>& epilogue) {
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
        Epilogue<T> e = epilogue;
        if (e.residual != nullptr) e.residual += at;
        tile.y[at + c] = gemm_finish(column[r], 0, c, &e);
      }
    }
  }
}

template <class T>
void winograd_input(const WinogradInput<T>& t) {
  t.m == 2 ? for_tiles<2>(t, winograd_input_tile<2, T>) : for_tiles<4>(t, winograd_input_tile<4, T>);
}
template <class T>
void winograd_output(const WinogradOutput<T>& t) {
  t.m == 2 ? for_tiles<2>(t, winograd_output_tile<2, T>) : for_tiles<4>(t, winograd_output_tile<4, T>);
}

template <int M, class T>
void winograd_filter_of(const WinogradFilter<T>& f) {
  constexpr int n = Winograd<M>::kTile;
  for (int64_t j = 0; j < f.count; ++j) {
    T w[3][3], u[n][n];
    for (int t = 0; t < 9; ++t) w[t / 3][t % 3] = f.from[t * f.from_stride + j];
    winograd_filter_tile<M, T>(w, u);
    for (int e = 0; e < n * n; ++e) f.to[e * f.to_stride + j] = u[e / n][e % n];
  }
}
template <class T>
void winograd_filter(const WinogradFilter<T>& f) {
  f.m == 2 ? winograd_filter_of<2>(f) : winograd_filter_of<4>(f);
}

template <int M, class T>
void winograd_filter_gradient_of(const WinogradFilter<T>& f) {
  constexpr int n = Winograd<M>::kTile;
  for (int64_t j = 0; j < f.count; ++j) {
    T w[3][3], u[n][n];
    for (int e = 0; e < n * n; ++e) u[e / n][e % n] = f.from[e * f.from_stride + j];
    winograd_filter_gradient_tile<M, T>(u, w);
    for (int t = 0; t < 9; ++t) f.to[t * f.to_stride + j] = w[t / 3][t % 3];
  }
}
template <class T>
void winograd_filter_gradient(const WinogradFilter<T>& f) {
  f.m == 2 ? winograd_filter_gradient_of<2>(f) : winograd_filter_gradient_of<4>(f);
}

template <int M, class T>
void winograd_output_gradient_tile(const WinogradOutputGradient<T>& tile) {
  using W = Winograd<M>;
  for (int64_t c = 0; c < tile.channels; ++c) {
    T d[W::kTile][W::kTile] = {}, column[W::kTile];
    for (int64_t r = 0; r < tile.rows; ++r) {
      for (int64_t q = 0; q < tile.columns; ++q)
        d[r][q] = tile.dy[r * tile.row_stride + q * tile.pixel_stride + c];
      W::template output_gradient<T>(d[r]);
    }
    for (int64_t q = 0; q < W::kTile; ++q) {
      for (int64_t r = 0; r < M; ++r) column[r] = d[r][q];
      W::template output_gradient<T>(column);
      for (int64_t r = 0; r < W::kTile; ++r) tile.out[(r * W::kTile + q) * tile.out_stride + c] = column[r];
    }
  }
}
template <class T>
void winograd_output_gradient(const WinogradOutputGradient<T>& t) {
  t.m == 2 ? for_tiles<2>(t, winograd_output_gradient_tile<2, T>)
           : for_tiles<4>(t, winograd_output_gradient_tile<4, T>);
}

template <class T>
void pack_pixels(const PixelPanels<T>& p) {
  for (int64_t c = 0; c < (p.channels + kGemmTile - 1) / kGemmTile * kGemmTile; ++c) {
    for (int64_t i = 0; i < p.pixels; ++i) {
      const bool inside = c < p.channels && p.places[i] >= 0;
      p.packed[(c / kGemmTile * p.pixels + i) * kGemmTile + c % kGemmTile] =
          inside ? p.x[p.places[i] + c] : T(0);
    }
  }
}

template <class T>
void depthwise_weights(const DepthwiseWeights<T>& d) {
  for (int64_t c = 0; c < d.channels; ++c) {
    for (int64_t r = 0; r < d.rows; ++r) {
      for (int64_t k = 0; k < d.kernel; ++k) {
        T sum = 0;
        for (int64_t q = 0; q < d.outputs; ++q) {
          const int64_t column = q * d.stride - d.pad + k * d.dilation;
          if (column < 0 || column >= d.columns) continue;
          sum += d.x[d.x_rows[r] + column * d.pixel_stride + c] * d.dy[q * d.pixel_stride + c];
        }
        d.dw[d.weight_rows[r] + k * d.pixel_stride + c] += sum;
      }
    }
  }
}

/// body(place in x and dx, place in y and dy) for each output of each channel, until it says that it is done.
template <class T, class Body>
void for_window_taps(const WindowGradient<T>& g, const Body& body) {
  for (int64_t q = 0; q < g.outputs; ++q) {
    for (int64_t c = 0; c < g.channels; ++c) {
      for (int64_t t = 0; t < g.taps; ++t) {
        if (body(q * g.x_stride + g.offsets[t] + c, q * g.y_stride + c)) break;
      }
    }
  }
}
template <class T>
void max_row_gradient(const WindowGradient<T>& g) {
  for_window_taps(g, [&](int64_t x, int64_t y) {
    const bool largest = g.x[x] == g.y[y] || g.x[x] != g.x[x];
    if (largest) g.dx[x] += g.dy[y];
    return largest;
  });
}
template <class T>
void average_row_gradient(const WindowGradient<T>& g, T factor) {
  for_window_taps(g, [&](int64_t x, int64_t y) {
    g.dx[x] += factor * g.dy[y];
    return false;
  });
}

template <class T>
inline constexpr ChannelsLastKernels<T> kChannelsLast = {
    .product = tap_product<T>,
    .depthwise = depthwise<T>,
    .max = max_row<T>,
    .average = average_row<T>,
    .winograd_input = winograd_input<T>,
    .winograd_output = winograd_output<T>,
    .winograd_filter = winograd_filter<T>,
    .winograd_output_gradient = winograd_output_gradient<T>,
    .winograd_filter_gradient = winograd_filter_gradient<T>,
    .pack_pixels = pack_pixels<T>,
    .depthwise_weights = depthwise_weights<T>,
    .max_gradient = max_row_gradient<T>,
    .average_gradient = average_row_gradient<T>,
};

}  // namespace pleat::kernels::reference
