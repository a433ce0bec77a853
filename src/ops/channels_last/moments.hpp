#pragma once

#include <algorithm>

#include "base/parallel.hpp"
#include "ops/channels_last/output_sums.hpp"
#include "ops/moments.hpp"

namespace pleat {

/// The moments of each channel over all pixels.
template <class T>
class MomentParts final : public OutputSums<T> {
 public:
  static size_t bytes(int64_t parts, int64_t channels) {
    return static_cast<size_t>(3 * parts * channels) * sizeof(double);
  }
  MomentParts(const kernels::KernelTable<T>& kernels, const T* y, int64_t parts, int64_t channels,
              void* memory)
      : OutputSums<T>(kernels, y, parts, channels), memory_(static_cast<double*>(memory)) {}

  void begin(int64_t part, int64_t channel, int64_t channels) const override {
    for (int64_t row = 0; row < 3; ++row) std::fill_n(sums(row, part) + channel, channels, 0.0);
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
  using OutputSums<T>::kernels_, OutputSums<T>::y_, OutputSums<T>::parts_, OutputSums<T>::channels_;
  enum Sum { kCount, kMean, kSquares };

  double* sums(int64_t row, int64_t part) const { return memory_ + (row * parts_ + part) * channels_; }

  // Values that join others, n and k of them at a distance d of their means: m2 + m2' + d^2 n k / (n + k).
  void add_block(int64_t part, int64_t pixel, int64_t pixels, int64_t channel,
                 int64_t channels) const override {
    double means[OutputSums<T>::kMostChannels], m2s[OutputSums<T>::kMostChannels];
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

  double* memory_;
};

}  // namespace pleat
