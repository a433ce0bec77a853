#pragma once

#include <algorithm>
#include <cstdint>

#include "ops/batch_norm_layout.hpp"

namespace pleat {

/// The runs of items of x (batch, channels, spatial...), or channels last, that share statistics.
/// virtual_batch_size 0: all do. Else each has that many, and the last what is left, unless that is one value
/// a channel: then the run before it takes it in.
class BatchNormParts {
 public:
  struct Part {
    int64_t index, offset;  ///< of its first element
    BatchNormLayout layout;

    /// Whether it is normalized by its own statistics: one value a channel has none (see SingleValue).
    bool uses_batch(bool batch_statistics) const {
      return batch_statistics && layout.values_per_channel() != 1;
    }
  };

  BatchNormParts(const Shape& x, bool channels_last, int64_t virtual_batch_size)
      : batch_(x[0]),
        channels_(x[channels_last ? x.rank() - 1 : 1]),
        spatial_(channels_last ? x.product(1, x.rank() - 1) : x.product(2, x.rank())),
        channels_last_(channels_last) {
    if (virtual_batch_size == 0 || batch_ <= virtual_batch_size) return;
    items_ = virtual_batch_size;
    const int64_t rest = batch_ % items_;
    count_ = batch_ / items_ + (rest * spatial_ > 1 ? 1 : 0);
  }

  int64_t count() const { return count_; }
  int64_t channels() const { return channels_; }
  Part operator[](int64_t i) const {
    const int64_t first = i * items_, items = i + 1 < count_ ? items_ : batch_ - first;
    return {i, first * channels_ * spatial_,
            channels_last_ ? BatchNormLayout(items * spatial_, channels_, 1)
                           : BatchNormLayout(items, channels_, spatial_)};
  }
  /// The most that any part needs of what `need` tells of its layout.
  template <class Need>
  int64_t most(const Need& need) const {
    return std::max(need((*this)[0].layout), need((*this)[count_ - 1].layout));
  }

 private:
  int64_t batch_, channels_, spatial_;
  bool channels_last_;
  int64_t items_ = 0, count_ = 1;
};

/// Those of BatchNorm or its gradient.
template <class Attributes>
BatchNormParts parts_of(const Attributes& attributes, const Shape& x) {
  return {x, attributes.channels_last, attributes.batch_statistics ? attributes.virtual_batch_size : 0};
}

/// The rows (C) that are saved for the backward pass of each part, see batch_norm.cpp.
enum SavedRow { kCenter, kLow, kInverse, kScale, kShift, kR, kDelta };
constexpr int64_t saved_rows(bool renorm) {
  return renorm ? 7 : 5;
}
/// entries[e] = the channel's value of one of a part's rows, for each coefficient entry e of each channel.
template <class T>
void spread_saved(const BatchNormLayout& layout, const T* rows, SavedRow row, T* entries) {
  const T* const values = rows + row * layout.channels();
  for (int64_t c = 0; c < layout.channels(); ++c) {
    layout.for_each_entry(c, [&](int64_t e) { entries[e] = values[c]; });
  }
}

}  // namespace pleat
