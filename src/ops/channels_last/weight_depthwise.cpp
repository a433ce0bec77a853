#include "ops/channels_last/weight_algorithms.hpp"
#include "ops/channels_last/window_rows.hpp"

namespace pleat {
namespace {

constexpr int64_t kParts = 32;

}  // namespace

DepthwiseWeightGradient::DepthwiseWeightGradient(const ConvShape& given, bool normalized)
    : shape(given), normalizes(normalized) {
  const int64_t wanted = divide_up(kParts, std::max<int64_t>(1, shape.batch));
  band_rows = std::max<int64_t>(1, divide_up(shape.out[0], wanted));
}

// Shared: the sums of each band of each image, (taps, channels). A worker's: normalized rows of a window.
Workspace DepthwiseWeightGradient::workspace(size_t element) const {
  const int64_t rows = normalizes ? NormalizedRows<float>::elements(shape) : 0;
  return {static_cast<size_t>(shape.batch * bands() * shape.kernel_size() * shape.groups) * element,
          static_cast<size_t>(rows) * element};
}

template <class T>
void DepthwiseWeightGradient::run(const Context<T>& context, const WeightOperands<T>& o) const {
  const ops::Window& w = shape.window;
  const int64_t channels = shape.groups, size = shape.kernel_size(), elements = size * channels;
  const int64_t parts = shape.batch * bands();
  T* const partial = context.workspace();
  const int64_t work = band_rows * shape.out[1] * elements / 8;
  parallel_for(parts, grain_for(work), [&](int64_t begin, int64_t end) {
    for (int64_t part = begin; part < end; ++part) {
      const int64_t image = part / bands(), first = part % bands() * band_rows;
      T* const sums = partial + part * elements;
      std::fill(sums, sums + elements, T(0));
      const T* x = o.x + image * shape.in_plane() * channels;
      std::optional<NormalizedRows<T>> normalized;
      if (normalizes) {
        normalized.emplace(*o.load, shape, x, context.worker_workspace(), first, 0, channels);
        x = context.worker_workspace();
      }
      for (int64_t i = first; i < std::min(first + band_rows, shape.out[0]); ++i) {
        if (normalized) normalized->make(i);
        const DepthwiseRows rows(shape, i, 0, shape.in[1] * channels,
                                 normalizes ? NormalizedRows<T>::slots(shape) : 0);
        context.kernels.channels_last.depthwise_weights(
            {.outputs = shape.out[1],
             .channels = channels,
             .pixel_stride = channels,
             .kernel = w.kernel[1],
             .stride = w.stride[1],
             .dilation = w.dilation[1],
             .pad = w.pad_begin[1],
             .columns = shape.in[1],
             .rows = rows.count,
             .x = x,
             .x_rows = rows.x,
             .dy = o.dy + (image * shape.out_plane() + i * shape.out[1]) * channels,
             .dw = sums,
             .weight_rows = rows.weights});
      }
    }
  });
  add_parts(partial, elements, parts, elements);
  for (int64_t t = 0; t < size; ++t) {
    for (int64_t c = 0; c < channels; ++c) o.dw[c * size + t] = partial[t * channels + c];
  }
}

template void DepthwiseWeightGradient::run<float>(const Context<float>&, const WeightOperands<float>&) const;
template void DepthwiseWeightGradient::run<double>(const Context<double>&,
                                                   const WeightOperands<double>&) const;

}  // namespace pleat
