#include <algorithm>

#include "base/format.hpp"
#include "ops/concat_shape.hpp"
#include "ops/context.hpp"
#include "ops/strided_copy.hpp"

namespace pleat {
namespace {

struct GatherChannelsOp {
  using Attributes = ops::GatherChannels;
  static constexpr std::string_view name = "gather_channels";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    ValueType y = concat_type(name, in, -1);
    const int last = y.shape.rank() - 1;
    std::vector<bool> given(static_cast<size_t>(attributes.channels), false);
    for (const ops::ChannelRun& run : attributes.runs) {
      const bool known = run.input >= 0 && run.input < static_cast<int64_t>(in.size());
      if (!known || run.count < 1 || run.from < 0 || run.step < 1 || run.to < 0 ||
          run.from + run.count > in[static_cast<size_t>(run.input)]->shape[last] ||
          run.to + (run.count - 1) * run.step >= attributes.channels) {
        fail("gather_channels: a run leaves its input or the output");
      }
      for (int64_t c = 0; c < run.count; ++c) given[static_cast<size_t>(run.to + c * run.step)] = true;
    }
    if (const auto missing = std::find(given.begin(), given.end(), false); missing != given.end()) {
      fail("gather_channels: channel ", missing - given.begin(), " of the output is given by no run");
    }
    y.shape[last] = attributes.channels;
    return {y};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Shape& shape = context.out_shape(0);
    const int last = shape.rank() - 1;
    const int64_t channels = attributes.channels;
    parallel_for(shape.product(0, last), grain_for(channels / 4), [&](int64_t begin, int64_t end) {
      for (int64_t first = begin; first < end; first += kBlockPixels) {
        const int64_t pixels = std::min(kBlockPixels, end - first);
        for (const ops::ChannelRun& run : attributes.runs) {
          const int input = static_cast<int>(run.input);
          const int64_t stride = context.in_shape(input)[last];
          copy_run(run, pixels, context.in(input) + first * stride + run.from, stride,
                   context.out(0) + first * channels + run.to, channels);
        }
      }
    });
  }

 private:
  static constexpr int64_t kBlockPixels = 32;  // whose outputs stay in the first cache

  template <class T>
  static void copy_run(const ops::ChannelRun& run, int64_t pixels, const T* x, int64_t x_stride, T* y,
                       int64_t y_stride) {
    if (run.step == 1) return copy_rows(pixels, run.count, x, x_stride, y, y_stride);
    const int64_t count = run.count, step = run.step;
    for (int64_t p = 0; p < pixels; ++p, x += x_stride, y += y_stride) {
      for (int64_t c = 0; c < count; ++c) y[c * step] = x[c];
    }
  }
};

}  // namespace

PLEAT_OP(GatherChannelsOp)

}  // namespace pleat
