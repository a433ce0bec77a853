#include <algorithm>

#include "ops/channels_last/algorithms.hpp"

namespace pleat {
namespace {

constexpr int64_t kBlockElements = 192 << 10;  // transformed tiles, before and after the products
constexpr int64_t kMostColumns = 64;           // of a panel, whatever the kernels
constexpr int64_t kFewestTiles = 28;           // so many repay the reading of the weights

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
  const int64_t products = elements() * out_stride(block_tiles, block_columns);
  return {static_cast<size_t>(round_up(block_tiles + 1, 8)) * sizeof(int64_t) +
              static_cast<size_t>(shared) * element,
          static_cast<size_t>(own + products) * element};
}

// packed[block of columns][element][panel of the block][c][nr]: in the order of use
template <class T>
void WinogradConv::pack(const kernels::KernelTable<T>& kernels, const FilterView<T>& filter,
                        T* packed) const {
  const int64_t inputs = shape.in_channels, panels = divide_up(shape.out_channels, nr);
  const int64_t panel_size = inputs * nr, block_panels = block_columns / nr;
  parallel_for(panels, grain_for(elements() * panel_size), [&](int64_t begin, int64_t end) {
    for (int64_t panel = begin; panel < end; ++panel) {
      const int64_t block = panel / block_panels, columns = std::min(nr, shape.out_channels - panel * nr);
      const int64_t width = std::min(block_panels, panels - block * block_panels);
      T* const to = packed + (block * block_panels * elements() + panel % block_panels) * panel_size;
      const T* from = filter.data + panel * nr * filter.outs;
      T taps[9 * kMostColumns] = {};
      for (int64_t c = 0; c < inputs; ++c, from += filter.ins) {
        for (int64_t j = 0; j < columns; ++j) {
          for (int64_t t = 0; t < 9; ++t) {
            taps[t * nr + j] = from[j * filter.outs + t / 3 * filter.rows + t % 3 * filter.columns];
          }
        }
        kernels.channels_last.winograd_filter({.m = m,
                                               .count = nr,
                                               .from = taps,
                                               .from_stride = nr,
                                               .to = to + c * nr,
                                               .to_stride = width * panel_size});
      }
    }
  });
}

template <class T>
void transform_winograd_input(const Context<T>& context, const ConvShape& shape, int64_t m, const T* x,
                              int64_t tile, T* v, int64_t stride) {
  const int64_t tiles_y = divide_up(shape.out[0], m), tiles_x = divide_up(shape.out[1], m);
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
                                                   .in_stride = out_stride(block.tiles, block.columns),
                                                   .y = o.y + pixel * outputs + block.column,
                                                   .row_stride = shape.out[1] * outputs,
                                                   .pixel_stride = outputs,
                                                   .rows = std::min(m, shape.out[0] - row),
                                                   .columns = std::min(m, shape.out[1] - column),
                                                   .epilogue = &e});
  }
}

// Of a block's tiles those that fill rows of tiles lie one behind another; of the others each row of pixels
// does.
template <class T>
void WinogradConv::take_moments(const MomentParts<T>& moments, const Block& block) const {
  const int64_t part = block.first / block_tiles, width = shape.out[1], last = block.first + block.tiles;
  moments.begin(part, block.column, block.columns);
  for (int64_t tile = block.first; tile < last;) {
    const int64_t line = tile / tiles_x, image = line / tiles_y, row = line % tiles_y * m;
    const int64_t rows = std::min(m, shape.out[0] - row), column = tile % tiles_x * m;
    const int64_t next = std::min(last, (line + 1) * tiles_x);
    const int64_t end = next % tiles_x == 0 ? width : next % tiles_x * m;
    const int64_t pixel = (image * shape.out[0] + row) * width;
    if (end - column == width) {
      moments.add(part, pixel, rows * width, block.column, block.columns);
    } else {
      for (int64_t r = 0; r < rows; ++r) {
        moments.add(part, pixel + r * width + column, end - column, block.column, block.columns);
      }
    }
    tile = next;
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
    transform_winograd_input(context, shape, m, o.x, tile, block + (tile - first) * stride,
                             in_stride(tiles_from(first)));
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
             .x = v + e * in_stride(block.tiles),
             .pixels = offsets + 1,
             .offsets = offsets,
             .weights = o.packed + column * elements() * inputs + e * panels,
             .y = products + e * out_stride(block.tiles, block.columns),
             .y_stride = block.columns,
             .epilogue = nullptr});
      }
      transform_output(context, o, block, products);
      if (o.moments != nullptr) take_moments(*o.moments, block);
    }
  });
}

template void transform_winograd_input<float>(const Context<float>&, const ConvShape&, int64_t, const float*,
                                              int64_t, float*, int64_t);
template void transform_winograd_input<double>(const Context<double>&, const ConvShape&, int64_t,
                                               const double*, int64_t, double*, int64_t);
template void WinogradConv::pack<float>(const kernels::KernelTable<float>&, const FilterView<float>&,
                                        float*) const;
template void WinogradConv::pack<double>(const kernels::KernelTable<double>&, const FilterView<double>&,
                                         double*) const;
template void WinogradConv::run<float>(const Context<float>&, const ConvOperands<float>&) const;
template void WinogradConv::run<double>(const Context<double>&, const ConvOperands<double>&) const;

}  // namespace pleat
