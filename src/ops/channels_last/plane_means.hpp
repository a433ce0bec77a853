#pragma once

#include "ops/channels_last/output_sums.hpp"
#include "ops/channels_last/window_rows.hpp"

namespace pleat {

/// The mean of each image's channels over its plane; parts are of one image, those of the next follow.
template <class T>
class PlaneMeans final : public OutputSums<T> {
 public:
  static size_t bytes(int64_t parts, int64_t channels) {
    return static_cast<size_t>(offsets_of(parts)) * sizeof(int64_t) +
           static_cast<size_t>(parts * channels) * sizeof(T);
  }
  PlaneMeans(const kernels::KernelTable<T>& kernels, const T* y, int64_t parts, int64_t channels,
             void* memory)
      : OutputSums<T>(kernels, y, parts, channels),
        offsets_(static_cast<int64_t*>(memory)),
        sums_(reinterpret_cast<T*>(offsets_ + offsets_of(parts))) {
    for (int64_t p = 0; p < OutputSums<T>::kMostPixels; ++p) offsets_[p] = p * channels;
  }

  void begin(int64_t part, int64_t channel, int64_t channels) const override {
    std::fill_n(sums(part, channel), channels, T(0));
  }
  /// means (images, channels), of planes of so many pixels.
  void join(const Context<T>& context, int64_t images, int64_t pixels, T* means) const {
    average_parts(context, images, parts_ / std::max<int64_t>(1, images), channels_, sums_,
                  T(1) / static_cast<T>(pixels), offsets_, means);
  }

 private:
  using OutputSums<T>::kernels_, OutputSums<T>::y_, OutputSums<T>::parts_, OutputSums<T>::channels_;
  static int64_t offsets_of(int64_t parts) {
    return round_up(std::max(OutputSums<T>::kMostPixels, parts), 8);
  }
  T* sums(int64_t part, int64_t channel) const { return sums_ + part * channels_ + channel; }

  void add_block(int64_t part, int64_t pixel, int64_t pixels, int64_t channel,
                 int64_t channels) const override {
    T block[OutputSums<T>::kMostChannels];
    kernels_.channels_last.average(
        {1, channels, pixels, y_ + pixel * channels_ + channel, 0, offsets_, block, channels}, T(1));
    T* const to = sums(part, channel);
    for (int64_t c = 0; c < channels; ++c) to[c] += block[c];
  }

  int64_t* offsets_;  // of a block's pixels, then of an image's parts
  T* sums_;
};

}  // namespace pleat
