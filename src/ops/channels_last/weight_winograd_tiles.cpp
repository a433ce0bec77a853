#include "ops/channels_last/weight_algorithms.hpp"

namespace pleat {

WinogradWeightTiles::WinogradWeightTiles(const ConvShape& given, int64_t rows, int64_t columns,
                                         int64_t outputs)
    : WinogradTiles(given, outputs), mr(rows), nr(columns) {}

template <class T>
void WinogradWeightTiles::transform(const Context<T>& context, const WeightOperands<T>& o, int64_t first,
                                    int64_t count, int64_t begin, int64_t end, T* x, T* dy) const {
  for_runs(first + begin, first + end, [&](const Run& run) {
    const int64_t place = run.first - first;
    this->transform_input(context, run, o.x, x + place * in_stride(), x_stride(count), in_stride());
    for (int64_t j = 0; j < outs(); j += nr) {
      context.kernels.channels_last.winograd_output_gradient({.m = m,
                                                              .tiles = run.count,
                                                              .channels = std::min(nr, outs() - j),
                                                              .dy = o.dy + run.pixel * outs() + j,
                                                              .row_stride = shape.out[1] * outs(),
                                                              .pixel_stride = outs(),
                                                              .rows = run.rows,
                                                              .columns = run.columns,
                                                              .out = dy + j * count + place * nr,
                                                              .out_stride = dy_stride(count),
                                                              .tile_stride = nr});
    }
  });
}

// The weight's order is (out, in, taps).
template <class T>
void WinogradWeightTiles::finish(const Context<T>& context, const T* sums, T* dw) const {
  const int64_t blocks = divide_up(outs(), kFinishColumns);
  parallel_for(ins() * blocks, grain_for(elements() * kFinishColumns), [&](int64_t begin, int64_t end) {
    T* const taps = context.worker_workspace();
    for (int64_t i = begin; i < end; ++i) {
      const int64_t in = i / blocks, out = i % blocks * kFinishColumns;
      const int64_t count = std::min(kFinishColumns, outs() - out);
      context.kernels.channels_last.winograd_filter_gradient({.m = m,
                                                              .count = count,
                                                              .from = sums + in * outs() + out,
                                                              .from_stride = sum_stride(),
                                                              .to = taps,
                                                              .to_stride = kFinishColumns});
      for (int64_t j = 0; j < count; ++j) {
        T* const to = dw + ((out + j) * ins() + in) * 9;
        for (int64_t t = 0; t < 9; ++t) to[t] = taps[t * kFinishColumns + j];
      }
    }
  });
}

#define PLEAT_WINOGRAD_WEIGHT_TILES(T)                                                                  \
  template void WinogradWeightTiles::transform<T>(const Context<T>&, const WeightOperands<T>&, int64_t, \
                                                  int64_t, int64_t, int64_t, T*, T*) const;             \
  template void WinogradWeightTiles::finish<T>(const Context<T>&, const T*, T*) const;
PLEAT_WINOGRAD_WEIGHT_TILES(float)
PLEAT_WINOGRAD_WEIGHT_TILES(double)
#undef PLEAT_WINOGRAD_WEIGHT_TILES

}  // namespace pleat
