#include "ops/channels_last/weight_algorithms.hpp"

namespace pleat {

WinogradWeightTiles::WinogradWeightTiles(const ConvShape& given, int64_t rows, int64_t columns,
                                         int64_t outputs)
    : shape(given),
      mr(rows),
      nr(columns),
      m(outputs),
      tiles_y(divide_up(given.out[0], outputs)),
      tiles_x(divide_up(given.out[1], outputs)) {}

template <class T>
void WinogradWeightTiles::transform(const Context<T>& context, const WeightOperands<T>& o, int64_t tile,
                                    int64_t place, int64_t count, T* x, T* dy) const {
  const int64_t image = tile / (tiles_y * tiles_x);
  const int64_t row = tile / tiles_x % tiles_y * m, column = tile % tiles_x * m;
  transform_winograd_input(context, shape, m, o.x, tile, x + place * in_stride(), x_stride(count));
  const T* from = o.dy + ((image * shape.out[0] + row) * shape.out[1] + column) * outs();
  for (int64_t j = 0; j < outs(); j += nr) {
    T* const panel = dy + (j * count + place * nr);
    const int64_t columns = std::min(nr, outs() - j);
    for (int64_t e = 0; columns < nr && e < elements(); ++e) {
      T* const last = panel + e * dy_stride(count);
      std::fill(last + columns, last + nr, T(0));
    }
    context.kernels.channels_last.winograd_output_gradient({.m = m,
                                                            .channels = columns,
                                                            .dy = from + j,
                                                            .row_stride = shape.out[1] * outs(),
                                                            .pixel_stride = outs(),
                                                            .rows = std::min(m, shape.out[0] - row),
                                                            .columns = std::min(m, shape.out[1] - column),
                                                            .out = panel,
                                                            .out_stride = dy_stride(count)});
  }
}

// The weight's order is (out, in, taps).
template <class T>
void WinogradWeightTiles::finish(const Context<T>& context, const T* sums, T* dw) const {
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

#define PLEAT_WINOGRAD_WEIGHT_TILES(T)                                                                  \
  template void WinogradWeightTiles::transform<T>(const Context<T>&, const WeightOperands<T>&, int64_t, \
                                                  int64_t, int64_t, T*, T*) const;                      \
  template void WinogradWeightTiles::finish<T>(const Context<T>&, const T*, T*) const;
PLEAT_WINOGRAD_WEIGHT_TILES(float)
PLEAT_WINOGRAD_WEIGHT_TILES(double)
#undef PLEAT_WINOGRAD_WEIGHT_TILES

}  // namespace pleat
