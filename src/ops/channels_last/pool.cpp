// MaxPool, AvgPool and GlobalAvgPool of channels-last data.

#include "base/format.hpp"
#include "ops/channels_last/geometry.hpp"
#include "ops/channels_last/window_rows.hpp"
#include "ops/pool_window.hpp"

namespace pleat {
namespace {

template <class Attributes>
Shape pooled(std::string_view name, const Attributes& attributes, const Shape& x) {
  return channels_last(pooled_shape(name, attributes.window, attributes.ceil_mode, channels_first(x)));
}

template <class T, class Body>
void for_all_segments(const ops::Window& window, const Context<T>& context, const Body& body) {
  const Shape &x = context.in_shape(0), &y = context.out_shape(0);
  const auto plane = pool_plane(window, plane_of(x), plane_of(y));
  for_window_bands(plane, x[0], x[3], [&](int64_t image, const WindowBand& band) {
    const T* from = context.in(0) + image * x.product(1, 4);
    T* const to = context.out(0) + image * y.product(1, 4);
    for_window_segments(plane, x[3], band,
                        [&](const WindowSegment& segment) { body(segment, segment.row(from, to)); });
  });
}

struct MaxPoolChannelsLastOp {
  using Attributes = ops::MaxPoolChannelsLast;
  static constexpr std::string_view name = "max_pool_channels_last";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    return {{in[0]->dtype, pooled(name, attributes, in[0]->shape)}};
  }
  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    for_all_segments(attributes.window, context,
                     [&](const WindowSegment&, const auto& row) { context.kernels.channels_last.max(row); });
  }
  static void gradient(const Attributes& attributes, GradientScope& scope) {
    const ops::MaxPoolChannelsLastGradient rule{attributes.window};
    scope.set_input_gradient(
        0, scope.emit(rule, {scope.input(0), scope.output(0), scope.output_gradient(0)})[0]);
  }
};

struct AvgPoolChannelsLastOp {
  using Attributes = ops::AvgPoolChannelsLast;
  static constexpr std::string_view name = "avg_pool_channels_last";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    return {{in[0]->dtype, pooled(name, attributes, in[0]->shape)}};
  }
  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    for_all_segments(attributes.window, context, [&](const WindowSegment& segment, const auto& row) {
      const int64_t size = attributes.count_include_pad ? segment.padded_size : segment.taps;
      context.kernels.channels_last.average(row, T(1) / static_cast<T>(size));
    });
  }
  static void gradient(const Attributes& attributes, GradientScope& scope) {
    const ops::AvgPoolChannelsLastGradient rule{attributes.window, attributes.count_include_pad};
    scope.set_input_gradient(0, scope.emit(rule, {scope.output_gradient(0), scope.input(0)})[0]);
  }
};

// The mean over a plane is the average of a window as large; of a large plane, chunks are summed first.
struct GlobalAvgPoolChannelsLastOp {
  using Attributes = ops::GlobalAvgPoolChannelsLast;
  static constexpr std::string_view name = "global_avg_pool_channels_last";
  static constexpr int64_t kChannels = 32, kPixels = 1024;  // of a task

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    const Shape& x = in[0]->shape;
    if (x.rank() != 4 || x.product(1, 3) == 0) {
      fail(name, ": needs an input (N, H, W, C) with pixels, got ", x.str());
    }
    return {{in[0]->dtype, {x[0], 1, 1, x[3]}}};
  }
  static int64_t chunks(const Shape& x) { return divide_up(x.product(1, 3), kPixels); }
  // Offsets of the pixels, then the chunks' sums.
  static Workspace workspace(const Attributes&, const InputTypes& in, DType compute) {
    const Shape& x = in[0]->shape;
    const int64_t sums = chunks(x) > 1 ? x[0] * chunks(x) * x[3] : 0;
    return {
        static_cast<size_t>(x.product(1, 3)) * sizeof(int64_t) + static_cast<size_t>(sums) * size_of(compute),
        0};
  }
  template <class T>
  static void run(const Attributes&, const Context<T>& context) {
    const Shape& x = context.in_shape(0);
    const int64_t pixels = x.product(1, 3), channels = x[3], blocks = divide_up(channels, kChannels);
    const int64_t parts = chunks(x);
    auto* const offsets = context.template workspace<int64_t>();
    for (int64_t p = 0; p < pixels; ++p) offsets[p] = p * channels;
    T* const sums = parts > 1 ? reinterpret_cast<T*>(offsets + pixels) : context.out(0);
    const T share = T(1) / static_cast<T>(pixels);
    const int64_t work = pixels / parts * kChannels / 8;
    parallel_for(x[0] * parts * blocks, grain_for(work), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t c = i % blocks * kChannels, part = i / blocks;
        const int64_t image = part / parts, k = part % parts, first = k * pixels / parts;
        context.kernels.channels_last.average(
            {1, std::min(kChannels, channels - c), (k + 1) * pixels / parts - first,
             context.in(0) + (image * pixels + first) * channels + c, channels, offsets,
             sums + part * channels + c, channels},
            parts > 1 ? T(1) : share);
      }
    });
    if (parts > 1) average_parts(context, x[0], parts, channels, sums, share, offsets, context.out(0));
  }
  static void gradient(const Attributes&, GradientScope& scope) {
    scope.set_input_gradient(0, scope.emit(ops::GlobalAvgPoolChannelsLastGradient{},
                                           {scope.output_gradient(0), scope.input(0)})[0]);
  }
};

}  // namespace

PLEAT_OP(MaxPoolChannelsLastOp)
PLEAT_OP(AvgPoolChannelsLastOp)
PLEAT_OP(GlobalAvgPoolChannelsLastOp)

}  // namespace pleat
