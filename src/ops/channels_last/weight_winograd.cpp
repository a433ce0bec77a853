#include "ops/channels_last/weight_algorithms.hpp"

namespace pleat {
namespace {

constexpr int64_t kChunkElements = 2 << 20;   // transformed tiles of both sides, in the last cache
constexpr int64_t kFewestTiles = 64;          // so many repay reading and writing the sums
constexpr int64_t kMostTiles = 256;           // dy's panel stays in the first cache
constexpr int64_t kPanelElements = 48 << 10;  // of x, in the second cache

}  // namespace

WinogradWeightGradient::WinogradWeightGradient(const ConvShape& given, int64_t rows, int64_t columns,
                                               int64_t outputs)
    : shape(given), mr(rows), nr(columns), m(outputs) {
  tiles_y = divide_up(shape.out[0], m);
  tiles_x = divide_up(shape.out[1], m);
  const int64_t all = std::max<int64_t>(1, tiles());
  const int64_t most = std::max(kFewestTiles, kChunkElements / (elements() * (in_stride() + out_stride())));
  chunk_tiles = divide_up(all, divide_up(all, most));
  const int64_t most_in = std::max(4 * mr, kPanelElements / chunk_tiles);
  block_in = round_up(divide_up(ins(), divide_up(ins(), most_in)), mr);
}

// Shared: the sums, (elements, in, out), then the transformed tiles of x, and of dy. A worker's: panels of x.
Workspace WinogradWeightGradient::workspace(size_t element) const {
  const int64_t sums = elements() * ins() * outs();
  const int64_t transformed = elements() * chunk_tiles * (in_stride() + out_stride());
  const int64_t own = std::max(chunk_tiles * block_in, 9 * kFinishColumns);
  return {static_cast<size_t>(round_up(sums, 16) + transformed) * element,
          static_cast<size_t>(own) * element};
}

// Tile `tile`, of a chunk of `count` whose first tile is at the pointers: x[element][tile][channel];
// dy[element][panel][tile][nr], as pack_b has it.
template <class T>
void WinogradWeightGradient::transform(const Context<T>& context, const WeightOperands<T>& o, int64_t tile,
                                       T* x, T* dy, int64_t count) const {
  const auto& kernels = context.kernels.channels_last;
  const int64_t image = tile / (tiles_y * tiles_x), t = tile % chunk_tiles;
  const int64_t out_row = tile / tiles_x % tiles_y * m, out_column = tile % tiles_x * m;
  transform_winograd_input(context, shape, m, o.x, tile, x + t * in_stride(), count * in_stride());
  const T* from = o.dy + ((image * shape.out[0] + out_row) * shape.out[1] + out_column) * outs();
  for (int64_t j = 0; j < outs(); j += nr) {
    T* const panel = dy + (j * count + t * nr);
    const int64_t columns = std::min(nr, outs() - j);
    for (int64_t e = 0; columns < nr && e < elements(); ++e) {
      T* const last = panel + e * count * out_stride();
      std::fill(last + columns, last + nr, T(0));
    }
    kernels.winograd_output_gradient({.m = m,
                                      .channels = columns,
                                      .dy = from + j,
                                      .row_stride = shape.out[1] * outs(),
                                      .pixel_stride = outs(),
                                      .rows = std::min(m, shape.out[0] - out_row),
                                      .columns = std::min(m, shape.out[1] - out_column),
                                      .out = panel,
                                      .out_stride = count * out_stride()});
  }
}

template <class T>
void WinogradWeightGradient::run(const Context<T>& context, const WeightOperands<T>& o) const {
  T* const sums = context.workspace();
  T* const x = sums + round_up(elements() * ins() * outs(), 16);
  T* const dy = x + elements() * chunk_tiles * in_stride();
  const int64_t blocks = divide_up(ins(), block_in);
  for (int64_t first = 0; first < tiles(); first += chunk_tiles) {
    const int64_t count = std::min(chunk_tiles, tiles() - first);
    parallel_for(count, grain_for(elements() * (ins() + outs()) / 4), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) transform(context, o, first + t, x, dy, count);
    });
    parallel_for(
        elements() * blocks, grain_for(count * block_in * outs() / 16), [&](int64_t begin, int64_t end) {
          T* const panels = context.worker_workspace();
          for (int64_t i = begin; i < end; ++i) {
            const int64_t e = i / blocks, in = i % blocks * block_in, rows = std::min(block_in, ins() - in);
            context.kernels.gemm.pack_a(rows, count, x + e * count * in_stride() + in, 1, in_stride(),
                                        panels);
            context.kernels.gemm.multiply(rows, outs(), count, panels, dy + e * count * out_stride(),
                                          sums + (e * ins() + in) * outs(), outs(), first > 0, nullptr);
          }
        });
  }
  finish(context, sums, o.dw);
}

// The weight's order is (out, in, taps).
template <class T>
void WinogradWeightGradient::finish(const Context<T>& context, const T* sums, T* dw) const {
  const int64_t blocks = divide_up(outs(), kFinishColumns);
  parallel_for(blocks * ins(), grain_for(elements() * kFinishColumns), [&](int64_t begin, int64_t end) {
    T* const taps = context.worker_workspace();
    for (int64_t i = begin; i < end; ++i) {
      const int64_t in = i % ins(), out = i / ins() * kFinishColumns;
      const int64_t count = std::min(kFinishColumns, outs() - out);
      context.kernels.channels_last.winograd_filter_gradient({.m = m,
                                                              .count = count,
                                                              .from = sums + in * outs() + out,
                                                              .from_stride = ins() * outs(),
                                                              .to = taps,
                                                              .to_stride = kFinishColumns});
      for (int64_t j = 0; j < count; ++j) {
        T* const to = dw + ((out + j) * ins() + in) * 9;
        for (int64_t t = 0; t < 9; ++t) to[t] = taps[t * kFinishColumns + j];
      }
    }
  });
}

template void WinogradWeightGradient::run<float>(const Context<float>&, const WeightOperands<float>&) const;
template void WinogradWeightGradient::run<double>(const Context<double>&,
                                                  const WeightOperands<double>&) const;

}  // namespace pleat
