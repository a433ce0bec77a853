#include "ops/channels_last/algorithms.hpp"
#include "ops/channels_last/window_rows.hpp"
#include "ops/pool_window.hpp"

namespace pleat {

bool DepthwiseConv::fits(const ConvShape& shape) {
  return shape.depthwise() && shape.kernel_size() <= kMostTaps;
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

template <class T>
void DepthwiseConv::run(const Context<T>& context, const ConvOperands<T>& o) const {
  const int64_t row = shape.out[1] * shape.groups;
  run_apart(context, o, {shape.out[0] * row, row, shape.groups});
}

template <class T>
void DepthwiseConv::run_apart(const Context<T>& context, const ConvOperands<T>& o, const Strides& y) const {
  const int64_t channels = shape.groups;
  const ops::Window& w = shape.window;
  const auto plane = pool_plane(w, shape.in, shape.out);
  for_window_bands(plane, shape.batch, channels, [&](int64_t image, const WindowBand& band) {
    const int64_t first = band.channel_begin;
    for (int64_t i = band.row_begin; i < band.row_end; ++i) {
      int64_t x_rows[kMostTaps], weight_rows[kMostTaps];
      int64_t rows = 0;
      for (int64_t r = 0; r < w.kernel[0]; ++r) {
        const int64_t row = i * w.stride[0] - w.pad_begin[0] + r * w.dilation[0];
        if (row < 0 || row >= shape.in[0]) continue;
        x_rows[rows] = row * shape.in[1] * channels;
        weight_rows[rows++] = r * w.kernel[1] * channels;
      }
      const int64_t place = image * y.image + i * y.row + first;
      kernels::Epilogue<T> e = channels_last_epilogue(o.epilogue, o.bias, o.residual, 0, channels, first);
      if (o.residual != nullptr) e.residual = o.residual + place;
      context.kernels.channels_last.depthwise({.outputs = shape.out[1],
                                               .channels = band.channel_end - first,
                                               .x_stride = channels,
                                               .weight_stride = channels,
                                               .y_stride = y.pixel,
                                               .kernel = w.kernel[1],
                                               .stride = w.stride[1],
                                               .dilation = w.dilation[1],
                                               .pad = w.pad_begin[1],
                                               .columns = shape.in[1],
                                               .rows = rows,
                                               .x = o.x + image * shape.in_plane() * channels + first,
                                               .x_rows = x_rows,
                                               .weights = o.packed + first,
                                               .weight_rows = weight_rows,
                                               .y = o.y + place,
                                               .epilogue = &e});
    }
  });
}

template void DepthwiseConv::pack<float>(const kernels::KernelTable<float>&, const FilterView<float>&,
                                         float*) const;
template void DepthwiseConv::pack<double>(const kernels::KernelTable<double>&, const FilterView<double>&,
                                          double*) const;
template void DepthwiseConv::run<float>(const Context<float>&, const ConvOperands<float>&) const;
template void DepthwiseConv::run_apart<float>(const Context<float>&, const ConvOperands<float>&,
                                              const Strides&) const;
template void DepthwiseConv::run<double>(const Context<double>&, const ConvOperands<double>&) const;
template void DepthwiseConv::run_apart<double>(const Context<double>&, const ConvOperands<double>&,
                                               const Strides&) const;

}  // namespace pleat
