#include "ops/channels_last/algorithms.hpp"
#include "ops/channels_last/can_normalize.hpp"
#include "ops/pool_window.hpp"

namespace pleat {

bool DepthwiseConv::fits(const ConvShape& shape) {
  return shape.depthwise() && shape.kernel_size() <= kMostTaps;
}

bool can_normalize(const ops::Window& window, int64_t groups, const Shape& weight) {
  const bool depthwise = weight[0] == groups && weight[1] == 1;
  return depthwise ? window.kernel[0] * window.kernel[1] <= kMostTaps : window.is_pointwise() && groups == 1;
}

// packed[tap][channel]
template <class T>
void DepthwiseConv::pack(const kernels::KernelTable<T>&, const FilterView<T>& filter, T* packed) const {
  for (int64_t ky = 0; ky < shape.window.kernel[0]; ++ky) {
    for (int64_t kx = 0; kx < shape.window.kernel[1]; ++kx, packed += shape.groups) {
      const T* from = filter.data + ky * filter.rows + kx * filter.columns;
      for (int64_t c = 0; c < shape.groups; ++c) packed[c] = from[c * filter.groups];
    }
  }
}

WindowBands DepthwiseConv::bands() const {
  return {pool_plane(shape.window, shape.in, shape.out), shape.batch, shape.groups};
}

template <class T>
void DepthwiseConv::run_row(const kernels::KernelTable<T>& kernels, int64_t i, int64_t channels,
                            const Rows<T>& x, const T* packed, T* y, int64_t y_stride,
                            const kernels::Epilogue<T>& epilogue) const {
  const ops::Window& w = shape.window;
  const DepthwiseRows rows(shape, i, x.first, x.row_stride, x.slots);
  kernels.channels_last.depthwise({.outputs = shape.out[1],
                                   .channels = channels,
                                   .x_stride = x.pixel_stride,
                                   .weight_stride = shape.groups,
                                   .y_stride = y_stride,
                                   .kernel = w.kernel[1],
                                   .stride = w.stride[1],
                                   .dilation = w.dilation[1],
                                   .pad = w.pad_begin[1],
                                   .columns = shape.in[1],
                                   .rows = rows.count,
                                   .x = x.data,
                                   .x_rows = rows.x,
                                   .weights = packed,
                                   .weight_rows = rows.weights,
                                   .y = y,
                                   .epilogue = &epilogue});
}

template <class T>
void DepthwiseConv::run_band(const Context<T>& context, const ConvOperands<T>& o, const Strides& y,
                             int64_t image, const WindowBand& band) const {
  const int64_t channels = shape.groups, first = band.channel_begin, count = band.channel_end - first;
  const T* const planes = o.x + image * shape.in_plane() * channels;
  Rows<T> x = {planes + first, 0, row_elements(), channels};
  std::optional<NormalizedRows<T>> normalized;
  if (normalizes) {
    T* const memory = context.worker_workspace();
    x = {memory + first, 0, row_elements(), channels, NormalizedRows<T>::slots(shape)};
    normalized.emplace(*o.load, shape, planes, memory, band.row_begin, first, count);
  }
  std::optional<PendingRows<T>> sums;
  if (o.sums != nullptr) {
    const WindowBands cut = bands();
    sums.emplace(*o.sums, image * cut.count + band.row_begin / cut.height, first, count);
  }
  for (int64_t i = band.row_begin; i < band.row_end; ++i) {
    if (normalized) normalized->make(i);
    const int64_t place = image * y.image + i * y.row + first;
    kernels::Epilogue<T> e = channels_last_epilogue(o.epilogue, o.bias, o.residual, 0, channels, first);
    if (o.residual != nullptr) e.residual = o.residual + place;
    run_row(context.kernels, i, count, x, o.packed + first, o.y + place, y.pixel, e);
    if (sums) sums->add((image * shape.out[0] + i) * shape.out[1], shape.out[1], i + 1 == band.row_end);
  }
}

template <class T>
void DepthwiseConv::run(const Context<T>& context, const ConvOperands<T>& o) const {
  const int64_t row = shape.out[1] * shape.groups;
  const Strides y = {shape.out[0] * row, row, shape.groups};
  for_window_bands(pool_plane(shape.window, shape.in, shape.out), shape.batch, shape.groups,
                   [&](int64_t image, const WindowBand& band) { run_band(context, o, y, image, band); });
}

#define PLEAT_DEPTHWISE(T)                                                                                  \
  template void DepthwiseConv::pack<T>(const kernels::KernelTable<T>&, const FilterView<T>&, T*) const;     \
  template void DepthwiseConv::run_row<T>(const kernels::KernelTable<T>&, int64_t, int64_t, const Rows<T>&, \
                                          const T*, T*, int64_t, const kernels::Epilogue<T>&) const;        \
  template void DepthwiseConv::run_band<T>(const Context<T>&, const ConvOperands<T>&, const Strides&,       \
                                           int64_t, const WindowBand&) const;                               \
  template void DepthwiseConv::run<T>(const Context<T>&, const ConvOperands<T>&) const;
PLEAT_DEPTHWISE(float)
PLEAT_DEPTHWISE(double)
#undef PLEAT_DEPTHWISE

}  // namespace pleat
