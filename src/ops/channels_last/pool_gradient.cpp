// The gradients of MaxPool, AvgPool and GlobalAvgPool of channels-last data.

#include "ops/channels_last/geometry.hpp"
#include "ops/channels_last/window_rows.hpp"
#include "ops/pool_window.hpp"

namespace pleat {
namespace {

constexpr int64_t kChannels = 64;  // of a task

// Calls body(segment, place of the image in x, in y) for all windows, row by row, each row of dx zeroed
// before the first that reaches it. Windows overlap, so a task has all those of some channels of an image.
template <class T, class Body>
void for_all_gradients(const ops::Window& window, const Shape& x, const Shape& y, T* dx, const Body& body) {
  const auto plane = pool_plane(window, plane_of(x), plane_of(y));
  const int64_t channels = x[3], blocks = divide_up(channels, kChannels), pixels = x.product(1, 3);
  const WindowAxis rows = row_axis(plane);
  const int64_t work = y.product(1, 3) * plane.kernel_h * plane.kernel_w * kChannels / 4;
  parallel_for(x[0] * blocks, grain_for(work), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t image = i / blocks, first = i % blocks * kChannels;
      const int64_t last = std::min(first + kChannels, channels);
      T* zeroed = dx + image * pixels * channels;
      const auto zero_until = [&](int64_t row) {
        T* const end = dx + (image * pixels + row * plane.in_w) * channels;
        for (; zeroed < end; zeroed += channels) std::fill(zeroed + first, zeroed + last, T(0));
      };
      for (int64_t row = 0; row < plane.out_h; ++row) {
        zero_until(std::min(rows.in, rows.begin(row) + rows.reach() + 1));
        for_window_segments(plane, channels, {row, row + 1, first, last}, [&](const WindowSegment& segment) {
          body(segment, image * pixels * channels, image * y.product(1, 4));
        });
      }
      zero_until(plane.in_h);
    }
  });
}

template <class T>
kernels::WindowGradient<T> window_gradient(const WindowSegment& s, const T* x, const T* y, const T* dy,
                                           T* dx) {
  return {s.outputs, s.channels, s.taps, x, s.x_stride, s.offsets, y, dy, s.y_stride, dx};
}

struct MaxPoolChannelsLastGradientOp {
  using Attributes = ops::MaxPoolChannelsLastGradient;
  static constexpr std::string_view name = "max_pool_channels_last_gradient";

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) { return {*in[0]}; }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const T *x = context.in(0), *y = context.in(1), *dy = context.in(2);
    T* const dx = context.out(0);
    for_all_gradients(attributes.window, context.in_shape(0), context.in_shape(1), dx,
                      [&](const WindowSegment& segment, int64_t in, int64_t out) {
                        const int64_t from = in + segment.x_place, to = out + segment.y_place;
                        context.kernels.channels_last.max_gradient(
                            window_gradient(segment, x + from, y + to, dy + to, dx + from));
                      });
  }
};

struct AvgPoolChannelsLastGradientOp {
  using Attributes = ops::AvgPoolChannelsLastGradient;
  static constexpr std::string_view name = "avg_pool_channels_last_gradient";

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    return {{in[0]->dtype, in[1]->shape}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const T* dy = context.in(0);
    T* const dx = context.out(0);
    for_all_gradients(attributes.window, context.in_shape(1), context.in_shape(0), dx,
                      [&](const WindowSegment& segment, int64_t in, int64_t out) {
                        const int64_t size =
                            attributes.count_include_pad ? segment.padded_size : segment.taps;
                        const auto gradient = window_gradient<T>(
                            segment, nullptr, nullptr, dy + out + segment.y_place, dx + in + segment.x_place);
                        context.kernels.channels_last.average_gradient(gradient, T(1) / static_cast<T>(size));
                      });
  }
};

struct GlobalAvgPoolChannelsLastGradientOp {
  using Attributes = ops::GlobalAvgPoolChannelsLastGradient;
  static constexpr std::string_view name = "global_avg_pool_channels_last_gradient";

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    return {{in[0]->dtype, in[1]->shape}};
  }

  template <class T>
  static void run(const Attributes&, const Context<T>& context) {
    const Shape& x = context.out_shape(0);
    const int64_t pixels = x.product(1, 3), channels = x[3];
    const T* dy = context.in(0);
    T* const dx = context.out(0);
    parallel_for(x[0], grain_for(pixels * channels / 4), [&](int64_t begin, int64_t end) {
      for (int64_t n = begin; n < end; ++n) {
        T* const first = dx + n * pixels * channels;
        for (int64_t c = 0; c < channels; ++c) first[c] = dy[n * channels + c] / static_cast<T>(pixels);
        for (int64_t p = 1; p < pixels; ++p) std::copy(first, first + channels, first + p * channels);
      }
    });
  }
};

}  // namespace

PLEAT_OP(MaxPoolChannelsLastGradientOp)
PLEAT_OP(AvgPoolChannelsLastGradientOp)
PLEAT_OP(GlobalAvgPoolChannelsLastGradientOp)

}  // namespace pleat
