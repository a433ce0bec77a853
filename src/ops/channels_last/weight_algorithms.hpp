#pragma once

#include <algorithm>
#include <variant>

#include "ops/channels_last/algorithms.hpp"
#include "ops/channels_last/pixel_units.hpp"

namespace pleat {

// The algorithms of the weight gradient of a channels-last convolution. The sum over pixels runs over chunks
// that the sizes fix, one after another; within a chunk the matrices are cut, not the sum.

template <class T>
struct WeightOperands {
  const T *x, *dy;
  T* dw;
  const NormalizedLoad<T>* load = nullptr;  ///< of x, for algorithms that were told so
};

/// Output channels whose gradients are put in the weight's order at once.
inline constexpr int64_t kFinishColumns = 16;

/// Adds the sums of the other parts, `stride` apart, to those of the first, in order.
template <class T>
void add_parts(T* sums, int64_t elements, int64_t parts, int64_t stride) {
  parallel_for(elements, grain_for(parts), [&](int64_t begin, int64_t end) {
    for (int64_t part = 1; part < parts; ++part) {
      const T* const more = sums + part * stride;
      for (int64_t e = begin; e < end; ++e) sums[e] += more[e];
    }
  });
}

/// Sums (groups, taps, in, out) in the weight's order, (groups, out, in, taps).
template <class T>
void order_weight(const ConvShape& shape, const T* sums, T* dw) {
  constexpr int64_t run = 64;  // of a filter, that is written at once
  const int64_t size = shape.kernel_size(), ins = shape.in_channels, outs = shape.out_channels;
  const int64_t blocks = divide_up(outs, kFinishColumns), filter = ins * size;
  parallel_for(shape.groups * blocks, grain_for(filter * kFinishColumns), [&](int64_t begin, int64_t end) {
    T block[kFinishColumns][run];
    for (int64_t i = begin; i < end; ++i) {
      const int64_t group = i / blocks, out = i % blocks * kFinishColumns;
      const int64_t columns = std::min(kFinishColumns, outs - out);
      const T* const from = sums + group * filter * outs + out;
      T* const to = dw + (group * outs + out) * filter;
      for (int64_t first = 0; first < filter; first += run) {
        const int64_t count = std::min(run, filter - first);
        for (int64_t e = 0; e < count; ++e) {
          const int64_t in = (first + e) / size, tap = (first + e) % size;
          const T* const row = from + (tap * ins + in) * outs;
          for (int64_t j = 0; j < columns; ++j) block[j][e] = row[j];
        }
        for (int64_t j = 0; j < columns; ++j) std::copy_n(block[j], count, to + j * filter + first);
      }
    }
  });
}

/// A matrix product for each tap of the window, over pixels in panels: a chunk of pixels is packed, then
/// multiplied, blocks of the matrices side by side.
struct DirectWeightGradient {
  ConvShape shape;
  int64_t mr, nr;
  PixelUnits units;
  bool normalizes;  ///< x as it is read: of one pixel at a time, and one group
  int64_t chunk_units, block_in, block_out;

  DirectWeightGradient(const ConvShape& shape, int64_t mr, int64_t nr, bool normalizes);
  Workspace workspace(size_t element) const;
  template <class T>
  void run(const Context<T>& context, const WeightOperands<T>& operands) const;

 private:
  int64_t taps() const { return shape.kernel_size(); }
  int64_t ins() const { return shape.in_channels; }
  int64_t outs() const { return shape.out_channels; }
  // Panels of a unit: of x for each group and tap, of dy for each group.
  int64_t x_panel() const { return units.pixels() * round_up(ins(), mr); }
  int64_t dy_panel() const { return units.pixels() * round_up(outs(), nr); }
  int64_t unit_elements() const { return shape.groups * (taps() * x_panel() + dy_panel()); }
  int64_t sum_elements() const { return round_up(shape.groups * taps() * ins() * outs(), 16); }
  void places_of(const PixelUnits::Unit& unit, int64_t tap, int64_t* places) const;
  template <class T>
  void pack(const Context<T>& context, const WeightOperands<T>& operands, const PixelUnits::Unit& unit,
            int64_t side, T* panels) const;
};

/// For weights so small that every part of the pixels has sums of its own: parts go side by side. Products
/// read x where it lies, or where the window is more than a pixel, from a unit's rows, padded; the taps of a
/// row that are neighbours there count as one. dy is packed.
struct PartedWeightGradient {
  ConvShape shape;
  int64_t nr;
  int64_t taps, depth;
  PixelUnits units;
  int64_t parts;
  bool transposed;  ///< of one pixel: dy is read where it lies, and x packed
  bool normalizes;  ///< x as it is read: of one pixel at a time

  PartedWeightGradient(const ConvShape& shape, int64_t mr, int64_t nr, bool normalizes);
  static bool fits(const ConvShape& shape);
  Workspace workspace(size_t element) const;
  template <class T>
  void run(const Context<T>& context, const WeightOperands<T>& operands) const;

 private:
  int64_t outs() const { return shape.out_channels; }
  int64_t sum_elements() const { return taps * depth * outs(); }
  int64_t sum_stride() const { return round_up(sum_elements(), 16); }
  int64_t x_row() const;  // elements of a padded row
  // Rows of dy that make one product, and pixels of it from row to row, zeros among them.
  int64_t product_rows(int64_t rows) const { return one_stride() ? rows : 1; }
  int64_t row_pixels() const;
  bool one_stride() const { return shape.window.stride == std::array<int64_t, 2>{1, 1}; }
  int64_t copied_elements() const;
  template <class T>
  void add_pixels(const Context<T>& context, const WeightOperands<T>& operands, const PixelUnits::Unit& unit,
                  T* memory, T* sums, bool accumulate) const;
  template <class T>
  void add_windows(const Context<T>& context, const WeightOperands<T>& operands, const PixelUnits::Unit& unit,
                   T* memory, T* sums, bool accumulate) const;
  template <class T>
  int64_t pack_rows(const Context<T>& context, const T* dy, int64_t rows, T* panels) const;
};

/// The transpose of Winograd's convolution: of each element, the matrix product of x's transformed tiles and
/// dy's, summed over the tiles, then transformed to the weight.
struct WinogradWeightTiles : WinogradTiles {
  int64_t mr, nr;

  WinogradWeightTiles(const ConvShape& shape, int64_t mr, int64_t nr, int64_t m);

 protected:
  int64_t ins() const { return shape.in_channels; }
  int64_t outs() const { return shape.out_channels; }
  // From an element's sums (in, out) to the next's.
  int64_t sum_stride() const { return winograd_stride(ins() * outs()); }
  int64_t sum_elements() const { return elements() * sum_stride(); }
  int64_t in_stride() const { return round_up(ins(), 16); }
  int64_t out_stride() const { return round_up(outs(), nr); }
  // From an element of so many tiles to the next, of x's and of dy's.
  int64_t x_stride(int64_t tiles) const { return winograd_stride(tiles * in_stride()); }
  int64_t dy_stride(int64_t tiles) const { return winograd_stride(tiles * out_stride()); }
  /// Of the `count` tiles from `first` on those in [begin, end): x[element][tile][channel], and
  /// dy[element][panel][tile][nr], as pack_b has it.
  template <class T>
  void transform(const Context<T>& context, const WeightOperands<T>& operands, int64_t first, int64_t count,
                 int64_t begin, int64_t end, T* x, T* dy) const;
  static constexpr int64_t kFinishElements = 9 * kFinishColumns;  // of a worker's
  template <class T>
  void finish(const Context<T>& context, const T* sums, T* dw) const;
};

/// Tiles are transformed a chunk at a time, then multiplied, elements side by side.
struct WinogradWeightGradient : WinogradWeightTiles {
  int64_t chunk_tiles, block_in;

  WinogradWeightGradient(const ConvShape& shape, int64_t mr, int64_t nr, int64_t m);
  Workspace workspace(size_t element) const;
  template <class T>
  void run(const Context<T>& context, const WeightOperands<T>& operands) const;
};

/// For weights so small that every part of the tiles has sums of its own: parts go side by side, and tiles
/// stay in a worker's second cache.
struct PartedWinogradWeightGradient : WinogradWeightTiles {
  int64_t block_tiles, parts;

  PartedWinogradWeightGradient(const ConvShape& shape, int64_t mr, int64_t nr, int64_t m);
  bool fits() const;
  Workspace workspace(size_t element) const;
  template <class T>
  void run(const Context<T>& context, const WeightOperands<T>& operands) const;

 private:
  int64_t blocks() const { return divide_up(tiles(), block_tiles); }
};

/// One channel in and out of each group: sums of bands of rows, then added in order.
struct DepthwiseWeightGradient {
  ConvShape shape;
  bool normalizes;  ///< x as it is read
  int64_t band_rows;

  DepthwiseWeightGradient(const ConvShape& shape, bool normalizes);
  Workspace workspace(size_t element) const;
  template <class T>
  void run(const Context<T>& context, const WeightOperands<T>& operands) const;

 private:
  int64_t bands() const { return divide_up(shape.out[0], band_rows); }
};

}  // namespace pleat
