#include <algorithm>

#include "base/format.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

enum Input { kCenter, kScale, kShift, kFirst };

constexpr int64_t kBlockElements = 4096;  // of y, joined and then normalized in the first cache

struct ConcatScaleShiftChannelsLastOp {
  using Attributes = ops::ConcatScaleShiftChannelsLast;
  static constexpr std::string_view name = "concat_scale_shift_channels_last";

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    if (in.size() <= kFirst) fail("concat_scale_shift: needs center, scale, shift and at least one input");
    Shape y = in[kFirst]->shape;
    const int last = y.rank() - 1;
    y[last] = 0;
    for (size_t k = kFirst; k < in.size(); ++k) {
      Shape pixels = in[k]->shape;
      if (pixels.rank() == y.rank()) pixels[last] = y[last];
      if (pixels != y || in[k]->dtype != in[kFirst]->dtype || in[k]->shape[last] == kDynamic) {
        fail("concat_scale_shift: needs inputs alike but in their channels, got ", in[kFirst]->shape.str(),
             " and ", in[k]->shape.str());
      }
      y[last] += in[k]->shape[last];
    }
    for (const Input i : {kCenter, kScale, kShift}) {
      if (in[i]->shape != Shape{y[last]}) {
        fail("concat_scale_shift: needs a coefficient a channel, ", Shape{y[last]}.str(), ", got ",
             in[i]->shape.str());
      }
    }
    return {{in[kFirst]->dtype, y}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Shape& shape = context.out_shape(0);
    const int last = shape.rank() - 1;
    const int64_t channels = shape[last];
    const int64_t block = std::max<int64_t>(1, kBlockElements / std::max<int64_t>(1, channels));
    parallel_for(shape.product(0, last), grain_for(channels / 2), [&](int64_t begin, int64_t end) {
      for (int64_t first = begin; first < end; first += block) {
        const int64_t pixels = std::min(block, end - first);
        T* const y = context.out(0) + first * channels;
        int64_t channel = 0;
        for (int k = kFirst; k < context.input_count(); ++k) {
          const int64_t count = context.in_shape(k)[last];
          const T* x = context.in(k) + first * count;
          for (int64_t p = 0; p < pixels; ++p, x += count)
            std::copy(x, x + count, y + p * channels + channel);
          channel += count;
        }
        context.kernels.batch_norm.normalize(y, nullptr, y, {pixels, channels, channels, /*per_column=*/true},
                                             {context.in(kCenter), context.in(kScale), context.in(kShift)},
                                             attributes.activation, static_cast<T>(attributes.alpha));
      }
    });
  }
};

}  // namespace

PLEAT_OP(ConcatScaleShiftChannelsLastOp)

}  // namespace pleat
