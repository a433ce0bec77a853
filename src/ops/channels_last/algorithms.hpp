#pragma once

#include <algorithm>
#include <variant>

#include "ops/channels_last/normalized_load.hpp"
#include "ops/channels_last/output_sums.hpp"
#include "ops/channels_last/window_rows.hpp"

namespace pleat {

// The algorithms of a channels-last convolution. Each is a plan made of the shape alone, with what it needs
// of memory, how it packs the weight, once or where that trains in each run, and how it runs; so that one can
// be added, or chosen, without the others.

/// A weight as a convolution sees it: element (group, out, in, ky, kx), each of its group, is
/// data[group*groups
/// + out*outs + in*ins + ky*rows + kx*columns].
template <class T>
struct FilterView {
  const T* data;
  int64_t groups, outs, ins, rows, columns;
};

/// The weight (out, C/groups, kh, kw) of a convolution.
template <class T>
FilterView<T> filter_view(const ConvShape& shape, const T* weight) {
  const int64_t size = shape.kernel_size(), filter = shape.in_channels * size;
  return {weight, shape.out_channels * filter, filter, size, shape.window.kernel[1], 1};
}

template <class T>
struct ConvOperands {
  const T *x, *packed, *bias, *residual;
  T* y;
  const ops::Epilogue& epilogue;
  const NormalizedLoad<T>* load = nullptr;  ///< of x, for algorithms that were told so
  const OutputSums<T>* sums = nullptr;      ///< to be taken in so many parts as sum_parts()
  const T* gate = nullptr;                  ///< see ops::ConvChannelsLast
  int64_t gates = 0;                        ///< images that have one: all, or 1 for all
};

/// Sums over the window where it lies, one product for all its taps (kernels' `product`). Any window and any
/// number of groups. Where the window is padded, so is a copy of the image: of a task's rows, or where
/// several tasks share rows, of the whole image beforehand. Means over the plane are taken of a task's
/// outputs, then of all tasks'. Gates of x are multiplied into the weight, one for each image.
struct DirectConv {
  ConvShape shape;
  int64_t nr;                   ///< columns in a panel of packed weights
  bool planar, global_average;  ///< see ops::ConvChannelsLast
  bool normalizes;              ///< x as it is read: of one pixel at a time, and one group
  bool gated;
  bool copied;                       ///< reads a copy: padded, channels last
  int64_t row_stride, pixel_stride;  ///< of what is read
  int64_t taps, depth;               ///< neighbouring taps whose data is contiguous count as one
  bool columns_outside;              ///< tasks take a block's weights together: they outweigh the images
  int64_t band_rows, block_columns;  ///< output rows and channels of a task
  bool by_rows;                      ///< blocks are rows of outputs, else of all a task's
  int64_t block_pixels;              ///< that stay in the second cache while panels of weights pass by

  DirectConv(const ConvShape& shape, const ops::ConvChannelsLast& attributes, int64_t nr);
  int64_t packed_elements() const;
  int64_t sum_parts() const { return shape.batch * bands(); }
  Workspace workspace(size_t element) const;
  template <class T>
  void pack(const kernels::KernelTable<T>& kernels, const FilterView<T>& filter, T* packed) const;
  template <class T>
  void run(const Context<T>& context, const ConvOperands<T>& operands) const;

 private:
  int64_t columns() const { return shape.out_channels; }
  int64_t column_blocks() const { return divide_up(columns(), block_columns); }
  int64_t bands() const { return divide_up(shape.out[0], band_rows); }
  bool copies_beforehand() const { return copied && column_blocks() > 1; }
  int64_t copied_images() const;  // elements of the copies made beforehand
  int64_t copied_band() const;    // else of a task's own
  bool streams() const;           // results past the caches
  int64_t step() const { return shape.window.stride[1] * pixel_stride; }
  bool is_spaced() const;  // pixels of a task are all a step apart
  int64_t places() const;  // of a task's pixels, where those of a block are not
  int64_t place_of(int64_t pixel) const {
    return pixel / shape.out[1] * shape.window.stride[0] * row_stride + pixel % shape.out[1] * step();
  }
  int64_t gated_elements() const { return gated ? shape.batch * packed_elements() : 0; }
  template <class T>
  void gate_weights(const kernels::KernelTable<T>& kernels, const ConvOperands<T>& operands,
                    T* weights) const;
};

/// The least distance of so many elements from which a tile's elements, that far apart, are in different sets
/// of a cache: an odd number of its lines.
inline int64_t winograd_stride(int64_t elements) {
  constexpr int64_t line = 16;
  return (divide_up(elements, line) | 1) * line;
}

/// The outputs of a convolution in tiles of m x m: those of an image row by row, then the next image's.
struct WinogradTiles {
  ConvShape shape;
  int64_t m;
  int64_t tiles_y, tiles_x;  ///< of an image

  WinogradTiles(const ConvShape& shape, int64_t m);
  int64_t elements() const { return (m + 2) * (m + 2); }
  int64_t tiles() const { return shape.batch * tiles_y * tiles_x; }

 protected:
  /// Tiles of one row of tiles, whose rows x columns outputs begin at (row, column) of the image, and at
  /// `pixel` of all images.
  struct Run {
    int64_t first, count, image, row, column;
    int64_t pixel, rows, columns;
  };
  /// body(Run) for all tiles from first to last, in order.
  template <class Body>
  void for_runs(int64_t first, int64_t last, const Body& body) const {
    while (first < last) {
      const int64_t line = first / tiles_x, count = std::min(last, (line + 1) * tiles_x) - first;
      const int64_t image = line / tiles_y, row = line % tiles_y * m, column = first % tiles_x * m;
      const int64_t height = shape.out[0], width = shape.out[1];
      body(Run{first, count, image, row, column, (image * height + row) * width + column,
               std::min(m, height - row), std::min(count * m, width - column)});
      first += count;
    }
  }
  /// Elements of tile run.first + t of x: v[t*tile_stride + element*stride + channel].
  template <class T>
  void transform_input(const Context<T>& context, const Run& run, const T* x, T* v, int64_t stride,
                       int64_t tile_stride) const;
};

/// Winograd's F(m x m, 3 x 3): fewer multiplications, each rounded a little more. One group, stride and
/// dilation 1. Where several tasks share tiles, these are transformed beforehand.
struct WinogradConv : WinogradTiles {
  int64_t nr;
  int64_t block_tiles, block_columns;  ///< tiles and output channels of a task

  WinogradConv(const ConvShape& shape, int64_t nr, int64_t m);
  static bool fits(const ConvShape& shape);
  int64_t packed_elements() const;
  int64_t sum_parts() const { return divide_up(tiles(), block_tiles); }
  Workspace workspace(size_t element) const;
  template <class T>
  void pack(const kernels::KernelTable<T>& kernels, const FilterView<T>& filter, T* packed) const;
  template <class T>
  void run(const Context<T>& context, const ConvOperands<T>& operands) const;

 private:
  struct Block {
    int64_t first, tiles, column, columns;
  };
  int64_t column_blocks() const { return divide_up(shape.out_channels, block_columns); }
  bool transforms_beforehand() const { return column_blocks() > 1; }
  int64_t tile_stride() const { return round_up(shape.in_channels, 16); }
  // From an element of so many tiles to the next: of x's transformed, and of the products of `columns`.
  int64_t in_stride(int64_t tiles) const { return winograd_stride(tiles * tile_stride()); }
  static int64_t out_stride(int64_t tiles, int64_t columns) { return winograd_stride(tiles * columns); }
  int64_t block_elements() const { return elements() * in_stride(block_tiles); }
  template <class T>
  void transform_output(const Context<T>& context, const ConvOperands<T>& operands, const Block& block,
                        const T* products) const;
  template <class T>
  void add_to_sums(const OutputSums<T>& sums, const Block& block) const;
};

/// One channel in and out of each group, a vector of channels at once.
struct DepthwiseConv {
  ConvShape shape;
  bool normalizes = false;  ///< x as it is read

  static bool fits(const ConvShape& shape);
  int64_t packed_elements() const { return shape.groups * shape.kernel_size(); }
  int64_t sum_parts() const { return shape.batch * bands().count; }
  // A worker's: normalized rows of a window.
  Workspace workspace(size_t element) const {
    return {0, normalizes ? static_cast<size_t>(NormalizedRows<float>::elements(shape)) * element : 0};
  }
  template <class T>
  void pack(const kernels::KernelTable<T>& kernels, const FilterView<T>& filter, T* packed) const;
  template <class T>
  void run(const Context<T>& context, const ConvOperands<T>& operands) const;

  int64_t row_elements() const { return shape.in[1] * shape.groups; }  ///< of x
  WindowBands bands() const;

  /// From one output to the next along each dimension.
  struct Strides {
    int64_t image, row, pixel;
  };
  /// Output rows and channels of a band, for outputs that lie apart.
  template <class T>
  void run_band(const Context<T>& context, const ConvOperands<T>& operands, const Strides& y, int64_t image,
                const WindowBand& band) const;

  /// Rows of an image, `first` the first of them, and some of its channels. With slots, row r is in r %
  /// slots.
  template <class T>
  struct Rows {
    const T* data;
    int64_t first, row_stride, pixel_stride;
    int64_t slots = 0;
  };
  /// Output row i of `channels`, whose weights, results and epilogue begin at these; results are y_stride
  /// apart.
  template <class T>
  void run_row(const kernels::KernelTable<T>& kernels, int64_t i, int64_t channels, const Rows<T>& x,
               const T* packed, T* y, int64_t y_stride, const kernels::Epilogue<T>& epilogue) const;
};

using ConvAlgorithm = std::variant<DirectConv, WinogradConv, DepthwiseConv>;

/// That of least cost; `nr` is the kernels' gemm.nr.
ConvAlgorithm choose_algorithm(const ConvShape& shape, const ops::ConvChannelsLast& attributes, int64_t nr);

Workspace workspace_of(const ConvAlgorithm& algorithm, size_t element);
size_t packed_bytes(const ConvAlgorithm& algorithm, size_t element);

/// For a weight that is packed in each run: behind the algorithm's own workspace.
Workspace packing_workspace(const ConvAlgorithm& algorithm, size_t element);
template <class T>
const T* pack_in_run(const ConvAlgorithm& algorithm, const Context<T>& context, const FilterView<T>& filter);

/// Of the kernels that compute in `compute`.
inline int64_t panel_columns(DType compute) {
  return with_kernels(compute, [](const auto& kernels) { return kernels.gemm.nr; });
}

}  // namespace pleat
