#include "ops/channels_last/weight_algorithms.hpp"

namespace pleat {
namespace {

constexpr int64_t kBlockTiles = 64;  // so many repay reading and writing the sums
constexpr int64_t kMostIn = 128, kMostOut = 128;

int64_t tiles_of(const ConvShape& shape, int64_t m) {
  return shape.batch * divide_up(shape.out[0], m) * divide_up(shape.out[1], m);
}
// Blocks of tiles that are alike.
int64_t tiles_of_block(const ConvShape& shape, int64_t m) {
  const int64_t all = std::max<int64_t>(1, tiles_of(shape, m));
  return divide_up(all, divide_up(all, kBlockTiles));
}

}  // namespace

WinogradWeightGradient::WinogradWeightGradient(const ConvShape& given, int64_t rows, int64_t columns,
                                               int64_t outputs)
    : shape(given),
      mr(rows),
      nr(columns),
      m(outputs),
      tiles_y(divide_up(given.out[0], m)),
      tiles_x(divide_up(given.out[1], m)),
      block_tiles(tiles_of_block(given, m)),
      tasks(given, given.in_channels, elements(), divide_up(tiles_of(given, m), block_tiles), mr, nr, kMostIn,
            kMostOut) {}

// Shared: the partial sums. A worker's: the transformed tiles of x, then of dy, then the panels of x's
// element.
Workspace WinogradWeightGradient::workspace(size_t element) const {
  const int64_t panels = block_tiles * round_up(tasks.block_in, mr);
  return {
      static_cast<size_t>(tasks.elements()) * element,
      static_cast<size_t>(std::max(x_elements() + dy_elements() + panels, tasks.sum_elements())) * element};
}

// x[element][tile][channel]; dy[element][panel][tile][nr], as pack_b has it.
template <class T>
void WinogradWeightGradient::transform(const Context<T>& context, const WeightOperands<T>& o,
                                       const WeightTasks::Task& task, const Block& block, T* x, T* dy) const {
  const auto& kernels = context.kernels.channels_last;
  const int64_t height = shape.in[0], width = shape.in[1], ins = shape.in_channels, outs = shape.out_channels;
  const int64_t panels = divide_up(task.out_count, nr), ragged = task.out_count % nr;
  if (ragged != 0) std::fill(dy, dy + elements() * panels * block.count * nr, T(0));
  for (int64_t t = 0; t < block.count; ++t) {
    const int64_t tile = block.first + t, image = tile / (tiles_y * tiles_x);
    const int64_t out_row = tile / tiles_x % tiles_y * m, out_column = tile % tiles_x * m;
    const int64_t row = out_row - shape.window.pad_begin[0], column = out_column - shape.window.pad_begin[1];
    kernels.winograd_input({.m = m,
                            .channels = task.in_count,
                            .x = o.x + ((image * height + row) * width + column) * ins + task.in,
                            .row_stride = width * ins,
                            .pixel_stride = ins,
                            .row_begin = -row,
                            .row_end = height - row,
                            .column_begin = -column,
                            .column_end = width - column,
                            .out = x + t * x_stride(),
                            .out_stride = block.count * x_stride()});
    const T* from = o.dy + ((image * shape.out[0] + out_row) * shape.out[1] + out_column) * outs + task.out;
    for (int64_t p = 0; p < panels; ++p) {
      kernels.winograd_output_gradient({.m = m,
                                        .channels = std::min(nr, task.out_count - p * nr),
                                        .dy = from + p * nr,
                                        .row_stride = shape.out[1] * outs,
                                        .pixel_stride = outs,
                                        .rows = std::min(m, shape.out[0] - out_row),
                                        .columns = std::min(m, shape.out[1] - out_column),
                                        .out = dy + (p * block.count + t) * nr,
                                        .out_stride = panels * block.count * nr});
    }
  }
}

template <class T>
void WinogradWeightGradient::run(const Context<T>& context, const WeightOperands<T>& o) const {
  T* const partial = context.workspace();
  const int64_t work = tiles() * elements() * shape.in_channels * shape.out_channels / 16 /
                       std::max<int64_t>(1, tasks.count());
  parallel_for(tasks.count(), grain_for(work), [&](int64_t begin, int64_t end) {
    T* const x = context.worker_workspace();
    T* const dy = x + x_elements();
    T* const panels = dy + dy_elements();
    for (int64_t i = begin; i < end; ++i) {
      const WeightTasks::Task task = tasks.task(i);
      for (int64_t unit = task.first_unit; unit < task.last_unit; ++unit) {
        const int64_t first = unit * block_tiles, count = std::min(block_tiles, tiles() - first);
        transform(context, o, task, Block{first, count}, x, dy);
        for (int64_t e = 0; e < elements(); ++e) {
          context.kernels.gemm.pack_a(task.in_count, count, x + e * count * x_stride(), 1, x_stride(),
                                      panels);
          context.kernels.gemm.multiply(
              task.in_count, task.out_count, count, panels, dy + e * count * round_up(task.out_count, nr),
              partial + tasks.place(task, e), tasks.outs, unit > task.first_unit, nullptr);
        }
      }
    }
  });
  reduce_parts(tasks, context, partial, [&](int64_t, int64_t out, int64_t count, int64_t in, const T* sums) {
    T taps[9 * kReduceColumns];
    context.kernels.channels_last.winograd_filter_gradient(
        {m, count, sums, kReduceColumns, taps, kReduceColumns});
    for (int64_t j = 0; j < count; ++j) {
      T* const dw = o.dw + ((out + j) * shape.in_channels + in) * 9;
      for (int64_t t = 0; t < 9; ++t) dw[t] = taps[t * kReduceColumns + j];
    }
  });
}

template void WinogradWeightGradient::run<float>(const Context<float>&, const WeightOperands<float>&) const;
template void WinogradWeightGradient::run<double>(const Context<double>&,
                                                  const WeightOperands<double>&) const;

}  // namespace pleat
