#pragma once

#include <algorithm>

#include "kernels/kernel_table.hpp"

namespace pleat {

/// Sums over a convolution's outputs y (pixels, channels), in parts of the pixels: a task adds what it has
/// just stored, while that is in a cache.
template <class T>
class OutputSums {
 public:
  static constexpr int64_t kMostPixels = 128;  ///< that are worth to wait for

  /// Before the first of a part's pixels.
  virtual void begin(int64_t part, int64_t channel, int64_t channels) const = 0;
  /// Pixels [pixel, pixel + pixels) of all, and some channels.
  void add(int64_t part, int64_t pixel, int64_t pixels, int64_t channel, int64_t channels) const {
    for (int64_t c = channel; c < channel + channels; c += kMostChannels) {
      const int64_t count = std::min(kMostChannels, channel + channels - c);
      for (int64_t p = pixel; p < pixel + pixels; p += kMostPixels) {
        add_block(part, p, std::min(kMostPixels, pixel + pixels - p), c, count);
      }
    }
  }

 protected:
  static constexpr int64_t kMostChannels = 256;
  OutputSums(const kernels::KernelTable<T>& kernels, const T* y, int64_t parts, int64_t channels)
      : kernels_(kernels), y_(y), parts_(parts), channels_(channels) {}
  ~OutputSums() = default;
  /// At most kMostPixels and kMostChannels.
  virtual void add_block(int64_t part, int64_t pixel, int64_t pixels, int64_t channel,
                         int64_t channels) const = 0;

  const kernels::KernelTable<T>& kernels_;
  const T* y_;
  int64_t parts_, channels_;
};

/// Rows of pixels, one behind another, that a part takes as soon as they are enough for a sum.
template <class T>
class PendingRows {
 public:
  PendingRows(const OutputSums<T>& sums, int64_t part, int64_t channel, int64_t channels)
      : sums_(sums), part_(part), channel_(channel), channels_(channels) {
    sums.begin(part, channel, channels);
  }
  void add(int64_t pixel, int64_t pixels, bool last) {
    waiting_ += pixels;
    if (!last && waiting_ + pixels <= OutputSums<T>::kMostPixels) return;
    sums_.add(part_, pixel + pixels - waiting_, waiting_, channel_, channels_);
    waiting_ = 0;
  }

 private:
  const OutputSums<T>& sums_;
  int64_t part_, channel_, channels_, waiting_ = 0;
};

}  // namespace pleat
