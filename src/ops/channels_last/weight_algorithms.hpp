#pragma once

#include <algorithm>
#include <variant>

#include "ops/channels_last/algorithms.hpp"

namespace pleat {

// The algorithms of the weight gradient of a channels-last convolution. The sum over pixels runs over chunks
// that the sizes fix, one after another; within a chunk the matrices are cut, not the sum.

template <class T>
struct WeightOperands {
  const T *x, *dy;
  T* dw;
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

/// A matrix product for each tap of the window, over pixels in panels. Of few channels, all taps are joined
/// to one of as many. Pixels are packed a chunk at a time, then multiplied, blocks of the matrices side by
/// side; where the matrices are small, parts of the pixels side by side, each with sums of its own.
struct DirectWeightGradient {
  ConvShape shape;
  int64_t mr, nr;
  bool joined;
  int64_t taps, depth;                        ///< see joined
  int64_t unit_images, unit_rows, row_units;  ///< a unit: some rows of an image, or some images
  bool transposed;                            ///< sums (out, depth)
  int64_t parts;                              ///< with sums of their own; 1: chunks
  int64_t chunk_units, block_in, block_out;

  DirectWeightGradient(const ConvShape& shape, int64_t mr, int64_t nr);
  Workspace workspace(size_t element) const;
  template <class T>
  void run(const Context<T>& context, const WeightOperands<T>& operands) const;

 private:
  struct Unit {
    int64_t image, images, row, rows, pixels;
  };
  int64_t units() const { return divide_up(shape.batch, unit_images) * row_units; }
  Unit unit(int64_t i) const;
  int64_t unit_pixels() const { return unit_images * unit_rows * shape.out[1]; }
  int64_t outs() const { return shape.out_channels; }
  // Panels of a unit: of x for each group and tap, of dy for each group.
  int64_t x_panel() const { return unit_pixels() * round_up(depth, mr); }
  int64_t dy_panel() const { return unit_pixels() * round_up(outs(), nr); }
  int64_t unit_elements() const { return shape.groups * (taps * x_panel() + dy_panel()); }
  int64_t sum_elements() const { return shape.groups * taps * depth * outs(); }
  int64_t sum_stride() const { return round_up(sum_elements(), 16); }
  int64_t joined_elements() const { return joined ? round_up(unit_pixels() * depth, 16) : 0; }
  bool in_parts() const { return parts > 1; }
  /// Pointwise: the pixels of x are those of dy.
  bool reads_in_place() const {
    const ops::Window& w = shape.window;
    constexpr std::array<int64_t, 2> one = {1, 1}, none = {0, 0};
    return w.kernel == one && w.stride == one && w.pad_begin == none && w.pad_end == none;
  }
  template <class T>
  void multiply_in_place(const Context<T>& context, const WeightOperands<T>& operands, const Unit& unit,
                         T* panels, T* sums, bool accumulate) const;
  template <class T>
  void run_parts(const Context<T>& context, const WeightOperands<T>& operands) const;
  template <class T>
  void run_chunks(const Context<T>& context, const WeightOperands<T>& operands) const;
  void places_of(const Unit& unit, int64_t tap, int64_t* places) const;
  template <class T>
  void join_taps(const Unit& unit, const T* x, int64_t* places, T* rows) const;
  template <class T>
  void pack(const Context<T>& context, const WeightOperands<T>& operands, const Unit& unit, int64_t side,
            T* panels) const;
  template <class T>
  void finish(const T* sums, T* dw) const;
};

/// The transpose of Winograd's convolution: of each element, the matrix product of x's transformed tiles and
/// dy's, summed over the tiles, then transformed to the weight. Tiles are transformed a chunk at a time, then
/// multiplied, elements side by side.
struct WinogradWeightGradient {
  ConvShape shape;
  int64_t mr, nr, m;
  int64_t tiles_y, tiles_x;
  int64_t chunk_tiles, block_in;

  WinogradWeightGradient(const ConvShape& shape, int64_t mr, int64_t nr, int64_t m);
  int64_t elements() const { return (m + 2) * (m + 2); }
  int64_t tiles() const { return shape.batch * tiles_y * tiles_x; }
  Workspace workspace(size_t element) const;
  template <class T>
  void run(const Context<T>& context, const WeightOperands<T>& operands) const;

 private:
  int64_t ins() const { return shape.in_channels; }
  int64_t outs() const { return shape.out_channels; }
  int64_t in_stride() const { return round_up(ins(), 16); }
  int64_t out_stride() const { return round_up(outs(), nr); }
  template <class T>
  void transform(const Context<T>& context, const WeightOperands<T>& operands, int64_t tile, T* x, T* dy,
                 int64_t count) const;
  template <class T>
  void finish(const Context<T>& context, const T* sums, T* dw) const;
};

/// One channel in and out of each group: sums of bands of rows, then added in order.
struct DepthwiseWeightGradient {
  ConvShape shape;
  int64_t band_rows;

  explicit DepthwiseWeightGradient(const ConvShape& shape);
  Workspace workspace(size_t element) const;
  template <class T>
  void run(const Context<T>& context, const WeightOperands<T>& operands) const;

 private:
  int64_t bands() const { return divide_up(shape.out[0], band_rows); }
};

}  // namespace pleat
