#pragma once

#include <algorithm>

#include "base/parallel.hpp"
#include "kernels/kernel_table.hpp"
#include "ops/moments.hpp"

namespace pleat {

/// The moments of each channel of y, of parts of its pixels: a task adds what it has just stored, while that
/// is in a cache; then they are joined.
template <class T>
class MomentParts {
 public:
  static constexpr int64_t kMostPixels = 128;  ///< at once, as column_statistics wants
  static size_t bytes(int64_t parts, int64_t channels) {
    return static_cast<size_t>(3 * parts * channels) * sizeof(double);
  }
  MomentParts(const kernels::KernelTable<T>& kernels, const T* y, int64_t parts, int64_t channels,
              double* memory)
      : kernels_(kernels), y_(y), parts_(parts), channels_(channels), memory_(memory) {}

  /// Before the first of a part's pixels.
  void begin(int64_t part, int64_t channel, int64_t channels) const {
    for (int64_t row = 0; row < 3; ++row) std::fill_n(sums(row, part) + channel, channels, 0.0);
  }
  /// Pixels [pixel, pixel + pixels) of all, and some channels.
  void add(int64_t part, int64_t pixel, int64_t pixels, int64_t channel, int64_t channels) const {
    for (int64_t c = channel; c < channel + channels; c += kMostChannels) {
      const int64_t count = std::min(kMostChannels, channel + channels - c);
      for (int64_t p = pixel; p < pixel + pixels; p += kMostPixels) {
        add_block(part, p, std::min(kMostPixels, pixel + pixels - p), c, count);
      }
    }
  }

  void join(T* rows) const {
    parallel_for(channels_, grain_for(8 * parts_), [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) {
        const Moments all = join_moments([&](const auto& body) {
          for (int64_t part = 0; part < parts_; ++part) {
            body(static_cast<int64_t>(sums(kCount, part)[c]),
                 Moments{sums(kMean, part)[c], sums(kSquares, part)[c]});
          }
        });
        write_moments(all, rows, channels_, c);
      }
    });
  }

 private:
  static constexpr int64_t kMostChannels = 256;
  enum Sum { kCount, kMean, kSquares };

  double* sums(int64_t row, int64_t part) const { return memory_ + (row * parts_ + part) * channels_; }

  // Values that join others, n and k of them at a distance d of their means: m2 + m2' + d^2 n k / (n + k).
  void add_block(int64_t part, int64_t pixel, int64_t pixels, int64_t channel, int64_t channels) const {
    double means[kMostChannels], m2s[kMostChannels];
    kernels_.batch_norm.column_statistics(y_ + pixel * channels_ + channel,
                                          {pixels, channels_, channels, /*per_column=*/true}, means, m2s);
    double *const n = sums(kCount, part) + channel, *const mean = sums(kMean, part) + channel;
    double* const m2 = sums(kSquares, part) + channel;
    const auto count = static_cast<double>(pixels), all = n[0] + count;
    const double share = count / all, weight = n[0] * share;
    for (int64_t c = 0; c < channels; ++c) {
      const double d = means[c] - mean[c];
      n[c] = all;
      mean[c] += d * share;
      m2[c] += m2s[c] + d * d * weight;
    }
  }

  const kernels::KernelTable<T>& kernels_;
  const T* y_;
  int64_t parts_, channels_;
  double* memory_;
};

/// Rows of pixels, one behind another, that a part takes as soon as they are enough for a sum.
template <class T>
class PendingRows {
 public:
  PendingRows(const MomentParts<T>& moments, int64_t part, int64_t channel, int64_t channels)
      : moments_(moments), part_(part), channel_(channel), channels_(channels) {
    moments.begin(part, channel, channels);
  }
  void add(int64_t pixel, int64_t pixels, bool last) {
    waiting_ += pixels;
    if (!last && waiting_ + pixels <= MomentParts<T>::kMostPixels) return;
    moments_.add(part_, pixel + pixels - waiting_, waiting_, channel_, channels_);
    waiting_ = 0;
  }

 private:
  const MomentParts<T>& moments_;
  int64_t part_, channel_, channels_, waiting_ = 0;
};

}  // namespace pleat
