#include <algorithm>

#include "base/format.hpp"
#include "ops/concat_shape.hpp"
#include "ops/context.hpp"
#include "ops/strided_copy.hpp"

namespace pleat {
namespace {

enum Input { kCenter, kScale, kShift, kFirst };

constexpr int64_t kBlockElements = 4096;  // of y, joined and then normalized in the first cache

struct ConcatScaleShiftChannelsLastOp {
  using Attributes = ops::ConcatScaleShiftChannelsLast;
  static constexpr std::string_view name = "concat_scale_shift_channels_last";

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    const ValueType y = concat_type(name, std::span(in).subspan(std::min<size_t>(kFirst, in.size())), -1);
    const Shape channels = {y.shape[y.shape.rank() - 1]};
    for (const Input i : {kCenter, kScale, kShift}) {
      if (in[i] == nullptr || in[i]->shape != channels) {
        fail(name, ": needs a coefficient a channel, ", channels.str(), ", got ",
             in[i] == nullptr ? "none" : in[i]->shape.str());
      }
    }
    return {y};
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
          copy_rows(pixels, count, context.in(k) + first * count, count, y + channel, channels);
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
