#pragma once

#include <optional>

#include "ops/batch_norm_parts.hpp"
#include "ops/channels_last/window_rows.hpp"
#include "ops/window.hpp"

namespace pleat {

/// An operand that is normalized as it is read: act((x - center) * scale + shift), by what batch_norm saved,
/// with the same bits.
template <class T>
struct NormalizedLoad {
  const kernels::KernelTable<T>& kernels;
  const T* saved;  ///< null: the operand is read where it lies
  int64_t channels;
  Activation activation;

  /// `activation` is the op's attribute, `input` what was saved.
  NormalizedLoad(const Context<T>& context, const std::optional<Activation>& act, int input)
      : kernels(context.kernels),
        saved(act ? context.in(input) : nullptr),
        channels(act ? context.in_shape(input)[1] : 0),
        activation(act.value_or(Activation::none)) {}

  /// The channels [first, first + count) of pixels; `from` and `to` point at the first of them.
  void operator()(const T* from, T* to, int64_t pixels, int64_t first, int64_t count) const {
    const auto row = [&](SavedRow i) { return saved + i * channels + first; };
    kernels.batch_norm.normalize(from, nullptr, to, {pixels, channels, count, /*per_column=*/true},
                                 {row(kCenter), row(kScale), row(kShift)}, activation, T(0));
  }
  void operator()(const T* from, T* to, int64_t pixels) const { (*this)(from, to, pixels, 0, channels); }
};

/// The rows of an image that the windows of a depthwise convolution need, normalized in turn: row r is at
/// memory + r % slots * row size.
template <class T>
class NormalizedRows {
 public:
  static int64_t slots(const ConvShape& shape) { return extent(shape.window, 0); }
  static int64_t elements(const ConvShape& shape) { return slots(shape) * shape.in[1] * shape.groups; }

  /// From the window of output row `first` on, for these channels.
  NormalizedRows(const NormalizedLoad<T>& load, const ConvShape& shape, const T* image, T* memory,
                 int64_t first, int64_t channel, int64_t channels)
      : load_(load),
        shape_(shape),
        image_(image),
        memory_(memory),
        channel_(channel),
        channels_(channels),
        next_(std::max<int64_t>(0, top(first))) {}

  /// Makes what the window of output row i needs; rows come in order.
  void make(int64_t i) {
    const int64_t row = shape_.in[1] * shape_.groups, count = slots(shape_);
    for (; next_ < std::min(top(i) + count, shape_.in[0]); ++next_) {
      load_(image_ + next_ * row + channel_, memory_ + next_ % count * row + channel_, shape_.in[1], channel_,
            channels_);
    }
  }

 private:
  int64_t top(int64_t i) const { return i * shape_.window.stride[0] - shape_.window.pad_begin[0]; }

  const NormalizedLoad<T>& load_;
  const ConvShape& shape_;
  const T* image_;
  T* memory_;
  int64_t channel_, channels_, next_;
};

}  // namespace pleat
