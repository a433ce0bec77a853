#pragma once

#include <algorithm>
#include <variant>

#include "ops/channels_last/algorithms.hpp"

namespace pleat {

// The algorithms of the weight gradient of a channels-last convolution. The sum over pixels is cut into
// parts, fixed by the sizes, that are computed in parallel and then added in order.

template <class T>
struct WeightOperands {
  const T *x, *dy;
  T* dw;
};

/// Output channels whose gradients are added up, and put in the weight's order, at once.
inline constexpr int64_t kReduceColumns = 16;

/// How a matrix (ins, outs) of each group, `matrices` of them, is cut into tasks: parts of the sum, blocks of
/// both dimensions.
struct WeightTasks {
  int64_t groups, ins, outs, matrices;
  int64_t units;  ///< pieces of the sum
  int64_t parts, block_in, block_out;

  /// `most_in`, `most_out`: of a block.
  WeightTasks(const ConvShape& shape, int64_t in_rows, int64_t matrix_count, int64_t unit_count, int64_t mr,
              int64_t nr, int64_t most_in, int64_t most_out);
  int64_t in_blocks() const { return divide_up(ins, block_in); }
  int64_t out_blocks() const { return divide_up(outs, block_out); }
  int64_t count() const { return parts * groups * in_blocks() * out_blocks(); }
  int64_t part_elements() const { return groups * matrices * ins * outs; }
  int64_t elements() const { return parts * part_elements(); }
  int64_t sum_elements() const { return matrices * kReduceColumns; }  ///< that reduce_parts needs a worker

  struct Task {
    int64_t group, in, in_count, out, out_count;
    int64_t part, first_unit, last_unit;
  };
  Task task(int64_t i) const;
  /// Where matrix `m` of a task's block begins in the partial sums; a row is `outs` long.
  int64_t place(const Task& task, int64_t m) const {
    return ((task.part * groups + task.group) * matrices + m) * ins * outs + task.in * outs + task.out;
  }
};

/// Adds the parts and calls body(group, first output channel, how many, input channel, sums (matrices,
/// kReduceColumns)) for each block of output channels, in parallel.
template <class T, class Body>
void reduce_parts(const WeightTasks& tasks, const Context<T>& context, const T* partial, const Body& body) {
  const int64_t blocks = divide_up(tasks.outs, kReduceColumns), rows = tasks.ins;
  const int64_t work = tasks.parts * tasks.matrices * kReduceColumns;
  parallel_for(tasks.groups * blocks * rows, grain_for(work / 4), [&](int64_t begin, int64_t end) {
    T* const sums = context.worker_workspace();
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = i % rows, out = i / rows % blocks * kReduceColumns, group = i / rows / blocks;
      const int64_t count = std::min(kReduceColumns, tasks.outs - out);
      for (int64_t m = 0; m < tasks.matrices; ++m) {
        const T* from = partial + ((group * tasks.matrices + m) * rows + row) * tasks.outs + out;
        T* const to = sums + m * kReduceColumns;
        std::copy(from, from + count, to);
        for (int64_t part = 1; part < tasks.parts; ++part) {
          from += tasks.part_elements();
          for (int64_t j = 0; j < count; ++j) to[j] += from[j];
        }
      }
      body(group, out, count, row, sums);
    }
  });
}

/// A matrix product for each tap of the window, over pixels packed panel by panel. Of few channels, a row of
/// taps counts as one of as many channels; the image is then copied with its padding.
struct DirectWeightGradient {
  ConvShape shape;
  int64_t mr, nr;
  bool joined;
  int64_t unit_images, unit_rows, row_units;
  WeightTasks tasks;

  DirectWeightGradient(const ConvShape& shape, int64_t mr, int64_t nr);
  Workspace workspace(size_t element) const;
  template <class T>
  void run(const Context<T>& context, const WeightOperands<T>& operands) const;

 private:
  int64_t pixels() const { return unit_images * unit_rows * shape.out[1]; }
  int64_t copied_width() const;
  int64_t copied_rows() const;
  int64_t copied_elements() const;
  template <class T>
  void copy_image(const T* image, int64_t first_row, T* to) const;
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

/// One channel in and out of each group.
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
