#include "ops/channels_last/algorithms.hpp"
#include "ops/channels_last/window_rows.hpp"
#include "ops/pool_window.hpp"

namespace pleat {

bool DepthwiseConv::fits(const ConvShape& shape) {
  return shape.depthwise() && shape.kernel_size() <= kMostTaps;
}

// packed[tap][channel]
template <class T>
void DepthwiseConv::pack(const kernels::KernelTable<T>&, const T* weight, T* packed) const {
  const int64_t size = shape.kernel_size();
  for (int64_t c = 0; c < shape.groups; ++c) {
    for (int64_t t = 0; t < size; ++t) packed[t * shape.groups + c] = weight[c * size + t];
  }
}

template <class T>
void DepthwiseConv::run_row(const kernels::KernelTable<T>& kernels, int64_t i, int64_t channels,
                            const Rows<T>& x, const T* packed, T* y,
                            const kernels::Epilogue<T>& epilogue) const {
  const ops::Window& w = shape.window;
  int64_t x_rows[kMostTaps], weight_rows[kMostTaps];
  int64_t rows = 0;
  for (int64_t r = 0; r < w.kernel[0]; ++r) {
    const int64_t row = i * w.stride[0] - w.pad_begin[0] + r * w.dilation[0];
    if (row < 0 || row >= shape.in[0]) continue;
    x_rows[rows] = (row - x.first) * x.row_stride;
    weight_rows[rows++] = r * w.kernel[1] * shape.groups;
  }
  kernels.channels_last.depthwise({.outputs = shape.out[1],
                                   .channels = channels,
                                   .x_stride = x.pixel_stride,
                                   .y_stride = shape.groups,
                                   .kernel = w.kernel[1],
                                   .stride = w.stride[1],
                                   .dilation = w.dilation[1],
                                   .pad = w.pad_begin[1],
                                   .columns = shape.in[1],
                                   .rows = rows,
                                   .x = x.data,
                                   .x_rows = x_rows,
                                   .weights = packed,
                                   .weight_rows = weight_rows,
                                   .y = y,
                                   .epilogue = &epilogue});
}

template <class T>
void DepthwiseConv::run(const Context<T>& context, const ConvOperands<T>& o) const {
  const int64_t channels = shape.groups;
  const auto plane = pool_plane(shape.window, shape.in, shape.out);
  for_window_bands(plane, shape.batch, channels, [&](int64_t image, const WindowBand& band) {
    const int64_t first = band.channel_begin;
    const Rows<T> x = {o.x + image * shape.in_plane() * channels + first, 0, shape.in[1] * channels,
                       channels};
    for (int64_t i = band.row_begin; i < band.row_end; ++i) {
      const int64_t pixel = image * shape.out_plane() + i * shape.out[1];
      run_row(context.kernels, i, band.channel_end - first, x, o.packed + first,
              o.y + pixel * channels + first,
              channels_last_epilogue(o.epilogue, o.bias, o.residual, pixel, channels, first));
    }
  });
}

#define PLEAT_DEPTHWISE(T)                                                                                  \
  template void DepthwiseConv::pack<T>(const kernels::KernelTable<T>&, const T*, T*) const;                 \
  template void DepthwiseConv::run_row<T>(const kernels::KernelTable<T>&, int64_t, int64_t, const Rows<T>&, \
                                          const T*, T*, const kernels::Epilogue<T>&) const;                 \
  template void DepthwiseConv::run<T>(const Context<T>&, const ConvOperands<T>&) const;
PLEAT_DEPTHWISE(float)
PLEAT_DEPTHWISE(double)
#undef PLEAT_DEPTHWISE

}  // namespace pleat
