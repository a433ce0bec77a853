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

WinogradTiles::WinogradTiles(const ConvShape& given, int64_t outputs)
    : shape(given),
      m(outputs),
      tiles_y(divide_up(given.out[0], outputs)),
      tiles_x(divide_up(given.out[1], outputs)) {}

template <class T>
void WinogradTiles::transform_input(const Context<T>& context, const Run& run, const T* x, T* v,
                                    int64_t stride, int64_t tile_stride) const {
  const int64_t row = run.row - shape.window.pad_begin[0], column = run.column - shape.window.pad_begin[1];
  const int64_t height = shape.in[0], width = shape.in[1], channels = shape.in_channels;
  const int64_t pixel = (run.image * height + row) * width + column;
  context.kernels.channels_last.winograd_input({.m = m,
                                                .tiles = run.count,
                                                .channels = channels,
                                                .x = x + pixel * channels,
                                                .row_stride = width * channels,
                                                .pixel_stride = channels,
                                                .row_begin = -row,
                                                .row_end = height - row,
                                                .column_begin = -column,
                                                .column_end = width - column,
                                                .out = v,
                                                .out_stride = stride,
                                                .tile_stride = tile_stride});
}

WinogradConv::WinogradConv(const ConvShape& given, int64_t panel, int64_t outputs)
    : WinogradTiles(given, outputs), nr(panel) {
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

// Shared: the tiles transformed beforehand. A worker's: its own transformed tiles, then their products.
Workspace WinogradConv::workspace(size_t element) const {
  const int64_t blocks = divide_up(tiles(), block_tiles);
  const int64_t shared = transforms_beforehand() ? blocks * block_elements() : 0;
  const int64_t own = transforms_beforehand() ? 0 : block_elements();
  const int64_t products = elements() * out_stride(block_tiles, block_columns);
  return {static_cast<size_t>(shared) * element, static_cast<size_t>(own + products) * element};
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
void WinogradConv::transform_output(const Context<T>& context, const ConvOperands<T>& o, const Block& block,
                                    const T* products) const {
  const int64_t outputs = shape.out_channels;
  for_runs(block.first, block.first + block.tiles, [&](const Run& run) {
    const kernels::Epilogue<T> e =
        channels_last_epilogue(o.epilogue, o.bias, o.residual, run.pixel, outputs, block.column);
    context.kernels.channels_last.winograd_output({.m = m,
                                                   .tiles = run.count,
                                                   .channels = block.columns,
                                                   .in = products + (run.first - block.first) * block.columns,
                                                   .in_stride = out_stride(block.tiles, block.columns),
                                                   .tile_stride = block.columns,
                                                   .y = o.y + run.pixel * outputs + block.column,
                                                   .row_stride = shape.out[1] * outputs,
                                                   .pixel_stride = outputs,
                                                   .rows = run.rows,
                                                   .columns = run.columns,
                                                   .epilogue = &e});
  });
}

// Of a block's tiles those that fill rows of tiles lie one behind another; of the others each row of pixels
// does.
template <class T>
void WinogradConv::add_to_sums(const OutputSums<T>& sums, const Block& block) const {
  const int64_t part = block.first / block_tiles, width = shape.out[1];
  sums.begin(part, block.column, block.columns);
  for_runs(block.first, block.first + block.tiles, [&](const Run& run) {
    if (run.columns == width) {
      sums.add(part, run.pixel, run.rows * width, block.column, block.columns);
    } else {
      for (int64_t r = 0; r < run.rows; ++r) {
        sums.add(part, run.pixel + r * width, run.columns, block.column, block.columns);
      }
    }
  });
}

template <class T>
void WinogradConv::run(const Context<T>& context, const ConvOperands<T>& o) const {
  const int64_t inputs = shape.in_channels, blocks = column_blocks(), stride = tile_stride(), tap = 0;
  T* const transformed = context.workspace();
  const auto tiles_from = [&](int64_t first) { return std::min(block_tiles, tiles() - first); };
  // Tiles [begin, end) of the block whose first tile is `first`.
  const auto transform = [&](int64_t first, int64_t begin, int64_t end, T* v) {
    for_runs(begin, end, [&](const Run& run) {
      this->transform_input(context, run, o.x, v + (run.first - first) * stride, in_stride(tiles_from(first)),
                            stride);
    });
  };
  if (transforms_beforehand()) {
    parallel_for(tiles(), grain_for(elements() * stride / 4), [&](int64_t begin, int64_t end) {
      while (begin < end) {
        const int64_t block = begin / block_tiles, next = std::min(end, (block + 1) * block_tiles);
        transform(block * block_tiles, begin, next, transformed + block * block_elements());
        begin = next;
      }
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
        transform(first, first, first + block.tiles, own);
      }
      const int64_t panels = round_up(block.columns, nr) * inputs;
      for (int64_t e = 0; e < elements(); ++e) {
        context.kernels.channels_last.product(
            {.rows = block.tiles,
             .columns = block.columns,
             .taps = 1,
             .depth = inputs,
             .x = v + e * in_stride(block.tiles),
             .pixels = nullptr,
             .offsets = &tap,
             .weights = o.packed + column * elements() * inputs + e * panels,
             .y = products + e * out_stride(block.tiles, block.columns),
             .y_stride = block.columns,
             .epilogue = nullptr,
             .pixel_stride = stride});
      }
      transform_output(context, o, block, products);
      if (o.sums != nullptr) add_to_sums(*o.sums, block);
    }
  });
}

template void WinogradTiles::transform_input<float>(const Context<float>&, const Run&, const float*, float*,
                                                    int64_t, int64_t) const;
template void WinogradTiles::transform_input<double>(const Context<double>&, const Run&, const double*,
                                                     double*, int64_t, int64_t) const;
template void WinogradConv::pack<float>(const kernels::KernelTable<float>&, const FilterView<float>&,
                                        float*) const;
template void WinogradConv::pack<double>(const kernels::KernelTable<double>&, const FilterView<double>&,
                                         double*) const;
template void WinogradConv::run<float>(const Context<float>&, const ConvOperands<float>&) const;
template void WinogradConv::run<double>(const Context<double>&, const ConvOperands<double>&) const;

}  // namespace pleat
