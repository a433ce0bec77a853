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

// Shared: places of a block's tiles, then the tiles transformed beforehand. A worker's: its own transformed
// tiles, then their products.
Workspace WinogradConv::workspace(size_t element) const {
  const int64_t blocks = divide_up(tiles(), block_tiles);
  const int64_t shared = transforms_beforehand() ? blocks * block_elements() : 0;
  const int64_t own = transforms_beforehand() ? 0 : block_elements();
  const int64_t products = elements() * block_tiles * block_columns;
  return {static_cast<size_t>(round_up(block_tiles + 1, 8)) * sizeof(int64_t) +
              static_cast<size_t>(shared) * element,
          static_cast<size_t>(own + products) * element};
}

// packed[block of columns][element][panel of the block][c][nr]: in the order of use
template <class T>
void WinogradConv::pack(const kernels::KernelTable<T>&, const T* weight, T* packed) const {
  const int64_t inputs = shape.in_channels, panels = divide_up(shape.out_channels, nr);
  const int64_t panel_size = inputs * nr, block_panels = block_columns / nr;
  parallel_for(panels, grain_for(elements() * panel_size), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin * nr; i < end * nr; ++i) {
      const int64_t panel = i / nr, block = panel / block_panels;
      const int64_t width = std::min(block_panels, panels - block * block_panels);
      T* const to = packed + (block * block_panels * elements() + panel % block_panels) * panel_size + i % nr;
      for (int64_t c = 0; c < inputs; ++c) {
        double w[3][3] = {}, u[36];
        for (int64_t k = 0; k < 9 && i < shape.out_channels; ++k) {
          w[k / 3][k % 3] = static_cast<double>(weight[(i * inputs + c) * 9 + k]);
        }
        m == 2 ? transform_filter<2>(w, u) : transform_filter<4>(w, u);
        for (int64_t e = 0; e < elements(); ++e) to[e * width * panel_size + c * nr] = static_cast<T>(u[e]);
      }
    }
  });
}

template <class T>
void WinogradConv::transform_input(const Context<T>& context, const T* x, int64_t tile, T* v,
                                   int64_t stride) const {
  const int64_t image = tile / (tiles_y * tiles_x);
  const int64_t row = tile / tiles_x % tiles_y * m - shape.window.pad_begin[0];
  const int64_t column = tile % tiles_x * m - shape.window.pad_begin[1];
  const int64_t height = shape.in[0], width = shape.in[1], channels = shape.in_channels;
  context.kernels.channels_last.winograd_input({.m = m,
                                                .channels = channels,
                                                .x = x + ((image * height + row) * width + column) * channels,
                                                .row_stride = width * channels,
                                                .pixel_stride = channels,
                                                .row_begin = -row,
                                                .row_end = height - row,
                                                .column_begin = -column,
                                                .column_end = width - column,
                                                .out = v,
                                                .out_stride = stride});
}

template <class T>
void WinogradConv::transform_output(const Context<T>& context, const ConvOperands<T>& o, const Block& block,
                                    const T* products) const {
  const int64_t outputs = shape.out_channels;
  for (int64_t t = 0; t < block.tiles; ++t) {
    const int64_t tile = block.first + t, image = tile / (tiles_y * tiles_x);
    const int64_t row = tile / tiles_x % tiles_y * m, column = tile % tiles_x * m;
    const int64_t pixel = (image * shape.out[0] + row) * shape.out[1] + column;
    const kernels::Epilogue<T> e =
        channels_last_epilogue(o.epilogue, o.bias, o.residual, pixel, outputs, block.column);
    context.kernels.channels_last.winograd_output({.m = m,
                                                   .channels = block.columns,
                                                   .in = products + t * block.columns,
                                                   .in_stride = block.tiles * block.columns,
                                                   .y = o.y + pixel * outputs + block.column,
                                                   .row_stride = shape.out[1] * outputs,
                                                   .pixel_stride = outputs,
                                                   .rows = std::min(m, shape.out[0] - row),
                                                   .columns = std::min(m, shape.out[1] - column),
                                                   .epilogue = &e});
  }
}

template <class T>
void WinogradConv::run(const Context<T>& context, const ConvOperands<T>& o) const {
  const int64_t inputs = shape.in_channels, blocks = column_blocks(), stride = tile_stride();
  auto* const offsets = context.template workspace<int64_t>();
  auto* const transformed = reinterpret_cast<T*>(offsets + round_up(block_tiles + 1, 8));
  offsets[0] = 0;  // of the one tap; then the tiles' places
  for (int64_t t = 0; t < block_tiles; ++t) offsets[t + 1] = t * stride;

  const auto tiles_from = [&](int64_t first) { return std::min(block_tiles, tiles() - first); };
  const auto transform = [&](int64_t tile, T* block) {
    const int64_t first = tile / block_tiles * block_tiles;
    transform_input(context, o.x, tile, block + (tile - first) * stride, tiles_from(first) * stride);
  };
  if (transforms_beforehand()) {
    parallel_for(tiles(), grain_for(elements() * stride / 4), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) transform(t, transformed + t / block_tiles * block_elements());
    });
  }
  const int64_t work = block_tiles * elements() * inputs * block_columns / 32;
  parallel_for(divide_up(tiles(), block_tiles) * blocks, grain_for(work), [&](int64_t begin, int64_t end) {
    T* const own = context.worker_workspace();
    T* const products = own + (transforms_beforehand() ? 0 : block_elements());
    for (int64_t i = begin; i < end; ++i) {
      const int64_t first = i / blocks * block_tiles, column = i % blocks * block_columns;
      const Block block = {first, tiles_from(first), column,
                           std::min(block_columns, shape.out_channels - column)};
      const T* v = own;
      if (transforms_beforehand()) {
        v = transformed + i / blocks * block_elements();
      } else {
        for (int64_t t = 0; t < block.tiles; ++t) transform(first + t, own);
      }
      const int64_t panels = round_up(block.columns, nr) * inputs;
      for (int64_t e = 0; e < elements(); ++e) {
        context.kernels.channels_last.product(
            {.rows = block.tiles,
             .columns = block.columns,
             .taps = 1,
             .depth = inputs,
             .x = v + e * block.tiles * stride,
             .pixels = offsets + 1,
             .offsets = offsets,
             .weights = o.packed + column * elements() * inputs + e * panels,
             .y = products + e * block.tiles * block.columns,
             .y_stride = block.columns,
             .epilogue = nullptr});
      }
      transform_output(context, o, block, products);
    }
  });
}

template void WinogradConv::pack<float>(const kernels::KernelTable<float>&, const float*, float*) const;
template void WinogradConv::pack<double>(const kernels::KernelTable<double>&, const double*, double*) const;
template void WinogradConv::run<float>(const Context<float>&, const ConvOperands<float>&) const;
template void WinogradConv::run<double>(const Context<double>&, const ConvOperands<double>&) const;

}  // namespace pleat
