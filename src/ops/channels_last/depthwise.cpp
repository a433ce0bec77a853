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
void DepthwiseConv::run(const Context<T>& context, const ConvOperands<T>& o) const {
  const int64_t channels = shape.groups;
  const auto plane = pool_plane(shape.window, {shape.batch, channels, shape.in[0], shape.in[1]},
                                {shape.batch, channels, shape.out[0], shape.out[1]});
  for_output_rows(plane, shape.batch, channels, [&](int64_t image, int64_t i) {
    const int64_t out = image * shape.out_plane();
    const T* x = o.x + image * shape.in_plane() * channels;
    for_window_segments(plane, channels, i, x, o.y + out * channels, [&](const WindowSegment<T>& segment) {
      int64_t weights[kMostTaps];
      for (int64_t t = 0; t < segment.row.taps; ++t) weights[t] = segment.taps[t] * channels;
      const int64_t pixel = out + i * shape.out[1] + segment.first;
      context.kernels.channels_last.depthwise(
          segment.row, o.packed, weights,
          channels_last_epilogue(o.epilogue, o.bias, o.residual, pixel, channels, 0));
    });
  });
}

template void DepthwiseConv::pack<float>(const kernels::KernelTable<float>&, const float*, float*) const;
template void DepthwiseConv::pack<double>(const kernels::KernelTable<double>&, const double*, double*) const;
template void DepthwiseConv::run<float>(const Context<float>&, const ConvOperands<float>&) const;
template void DepthwiseConv::run<double>(const Context<double>&, const ConvOperands<double>&) const;

}  // namespace pleat
