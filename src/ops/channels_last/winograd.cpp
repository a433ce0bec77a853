#include <algorithm>

#include "kernels/channels_last/winograd.hpp"
#include "ops/channels_last/algorithms.hpp"

namespace pleat {
namespace {

constexpr int64_t kTasks = 16;
constexpr int64_t kTaskMultiplyAdds = 1 << 19;
constexpr int64_t kBlockElements = 192 << 10;  // transformed tiles, before and after the products
constexpr int64_t kFewestTiles = 28;           // so many repay the reading of the weights

// u = G w G^T
template <int M>
void transform_filter(const double (&w)[3][3], double* u) {
  constexpr int n = kernels::Winograd<M>::kTile;
  const auto& g = kernels::Winograd<M>::kFilter;
  double half[n][3] = {};
  for (int i = 0; i < n; ++i) {
    for (int q = 0; q < 3; ++q) half[i][q] = g[i][0] * w[0][q] + g[i][1] * w[1][q] + g[i][2] * w[2][q];
  }
  for (int i = 0; i < n; ++i) {
    for (int j = 0; j < n; ++j) *u++ = half[i][0] * g[j][0] + half[i][1] * g[j][1] + half[i][2] * g[j][2];
  }
}

}  // namespace

bool WinogradConv::fits(const ConvShape& shape) {
  const ops::Window& w = shape.window;
  return w.kernel == std::array<int64_t, 2>{3, 3} && w.stride == std::array<int64_t, 2>{1, 1} &&
         w.dilation == std::array<int64_t, 2>{1, 1} && shape.groups == 1;
}

WinogradConv::WinogradConv(const ConvShape& given, int64_t panel, int64_t outputs)
    : shape(given), nr(panel), m(outputs) {
  tiles_y = divide_up(shape.out[0], m);
  tiles_x = divide_up(shape.out[1], m);
  block_columns = round_up(shape.out_channels, nr);
  const int64_t all = std::max<int64_t>(1, tiles());
  block_tiles = kBlockElements / (elements() * (shape.in_channels + shape.out_channels));
  block_tiles = std::min(all, std::max(kFewestTiles, block_tiles));
  block_tiles = divide_up(all, divide_up(all, block_tiles));
  while (divide_up(all, block_tiles) * divide_up(shape.out_channels, block_columns) < kTasks &&
         block_tiles * elements() * shape.in_channels * block_columns >= 2 * kTaskMultiplyAdds) {
    if (block_tiles >= 2 * kFewestTiles) {
      block_tiles = divide_up(block_tiles, 2);
    } else if (block_columns > nr) {
      block_columns = round_up(block_columns / 2, nr);
    } else {
      break;
    }
  }
}

int64_t WinogradConv::packed_elements() const {
  return elements() * round_up(shape.out_channels, nr) * shape.in_channels;
}

Workspace WinogradConv::workspace(size_t element) const {
  const int64_t tile = elements() * (round_up(shape.in_channels, 16) + block_columns);
  return {static_cast<size_t>(block_tiles + 1) * sizeof(int64_t),
          static_cast<size_t>(block_tiles * tile) * element};
}

// packed[element][panel][c][nr]
template <class T>
void WinogradConv::pack(const kernels::KernelTable<T>&, const T* weight, T* packed) const {
  const int64_t inputs = shape.in_channels, panels = divide_up(shape.out_channels, nr);
  parallel_for(panels, grain_for(elements() * inputs * nr), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * nr; i < end * nr; ++i) {
      for (int64_t c = 0; c < inputs; ++c) {
        double w[3][3] = {}, u[36];
        for (int64_t k = 0; k < 9 && i < shape.out_channels; ++k) {
          w[k / 3][k % 3] = static_cast<double>(weight[(i * inputs + c) * 9 + k]);
        }
        m == 2 ? transform_filter<2>(w, u) : transform_filter<4>(w, u);
        for (int64_t e = 0; e < elements(); ++e) {
          packed[((e * panels + i / nr) * inputs + c) * nr + i % nr] = static_cast<T>(u[e]);
        }
      }
    }
  });
}

template <class T>
void WinogradConv::run(const Context<T>& context, const ConvOperands<T>& o) const {
  const auto& kernels = context.kernels.channels_last;
  const int64_t inputs = shape.in_channels, outputs = shape.out_channels;
  const int64_t height = shape.in[0], width = shape.in[1];
  const int64_t blocks = divide_up(tiles(), block_tiles), columns = divide_up(outputs, block_columns);
  const int64_t tile_stride = round_up(inputs, 16);  // between tiles of V
  auto* const offsets = context.template workspace<int64_t>();
  for (int64_t t = 0; t < block_tiles; ++t) offsets[t + 1] = t * tile_stride;
  offsets[0] = 0;

  struct Place {
    int64_t image, row, column;  // of a tile's first output
  };
  const auto place = [&](int64_t tile) -> Place {
    return {tile / (tiles_y * tiles_x), tile / tiles_x % tiles_y * m, tile % tiles_x * m};
  };
  const auto transform_inputs = [&](int64_t first, int64_t count, T* v) {
    for (int64_t t = 0; t < count; ++t) {
      const auto [image, out_row, out_column] = place(first + t);
      const int64_t row = out_row - shape.window.pad_begin[0],
                    column = out_column - shape.window.pad_begin[1];
      kernels.winograd_input({.m = m,
                              .channels = inputs,
                              .x = o.x + ((image * height + row) * width + column) * inputs,
                              .row_stride = width * inputs,
                              .pixel_stride = inputs,
                              .row_begin = -row,
                              .row_end = height - row,
                              .column_begin = -column,
                              .column_end = width - column,
                              .out = v + t * tile_stride,
                              .out_stride = count * tile_stride});
    }
  };
  const auto transform_outputs = [&](int64_t first, int64_t count, int64_t channel, int64_t channels,
                                     const T* products) {
    for (int64_t t = 0; t < count; ++t) {
      const auto [image, row, column] = place(first + t);
      const int64_t pixel = (image * shape.out[0] + row) * shape.out[1] + column;
      const kernels::Epilogue<T> e =
          channels_last_epilogue(o.epilogue, o.bias, o.residual, pixel, outputs, channel);
      kernels.winograd_output({.m = m,
                               .channels = channels,
                               .in = products + t * channels,
                               .in_stride = count * channels,
                               .y = o.y + pixel * outputs + channel,
                               .row_stride = shape.out[1] * outputs,
                               .pixel_stride = outputs,
                               .rows = std::min(m, shape.out[0] - row),
                               .columns = std::min(m, shape.out[1] - column),
                               .epilogue = &e});
    }
  };

  const int64_t work = block_tiles * elements() * inputs * block_columns / 32;
  parallel_for(blocks * columns, grain_for(work), [&](int64_t begin, int64_t end) {
    T* const v = context.worker_workspace();
    T* const products = v + block_tiles * elements() * tile_stride;
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i / columns * block_tiles, count = std::min(block_tiles, tiles() - first);
      const int64_t channel = i % columns * block_columns;
      const int64_t channels = std::min(block_columns, outputs - channel);
      if (i == begin || i % columns == 0) transform_inputs(first, count, v);
      for (int64_t e = 0; e < elements(); ++e) {
        kernels.product({.rows = count,
                         .columns = channels,
                         .taps = 1,
                         .depth = inputs,
                         .x = v + e * count * tile_stride,
                         .pixels = offsets + 1,
                         .offsets = offsets,
                         .weights = o.packed + (e * round_up(outputs, nr) + channel) * inputs,
                         .y = products + e * count * channels,
                         .y_stride = channels,
                         .epilogue = nullptr});
      }
      transform_outputs(first, count, channel, channels, products);
    }
  });
}

template void WinogradConv::pack<float>(const kernels::KernelTable<float>&, const float*, float*) const;
template void WinogradConv::pack<double>(const kernels::KernelTable<double>&, const double*, double*) const;
template void WinogradConv::run<float>(const Context<float>&, const ConvOperands<float>&) const;
template void WinogradConv::run<double>(const Context<double>&, const ConvOperands<double>&) const;

}  // namespace pleat
