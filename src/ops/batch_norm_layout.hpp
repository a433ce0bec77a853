#pragma once

#include <algorithm>
#include <cstdint>

#include "base/parallel.hpp"
#include "kernels/kernel_table.hpp"
#include "pleat/shape.hpp"

namespace pleat {

/// How per-channel ops cut x (batch, channels, spatial...), by its shape alone.
///
/// Where planes are long enough for vectors, a group is one channel, cut in chunks of at most 4096 values: a
/// part of a plane, or several short planes. Short planes (spatial < 16, so also (N, C), or < 64 where the
/// batch is large enough) are seen as rows of channels * spatial columns; a group is some 512 columns, a
/// chunk 128 rows. Coefficients have an entry a channel, or a column; partial sums one for each entry and
/// chunk.
class BatchNormLayout {
 public:
  static constexpr int64_t kChunkValues = 4096, kChunkRows = 128, kGroupColumns = 512, kShortPlane = 16;

  /// What a kernel works on: `block` at x + offset, of the coefficients from `entry` on and the partial sums
  /// from `partial` on.
  struct Chunk {
    int64_t offset, entry, partial;
    kernels::PlaneBlock block;
  };

  BatchNormLayout(int64_t batch, int64_t channels, int64_t spatial)
      : batch_(batch),
        channels_(channels),
        spatial_(spatial),
        columns_(spatial_ < kShortPlane || (spatial_ < 4 * kShortPlane && batch_ >= 2 * kShortPlane)) {
    if (columns_) {
      group_channels_ = std::max<int64_t>(1, kGroupColumns / std::max<int64_t>(1, spatial_));
      planes_ = kChunkRows;
    } else {
      pieces_ = (spatial_ + kChunkValues - 1) / kChunkValues;
      planes_ = std::max<int64_t>(1, kChunkValues / spatial_);
    }
    chunks_ = (batch_ + planes_ - 1) / planes_ * pieces_;
  }

  int64_t channels() const { return channels_; }
  int64_t values_per_channel() const { return batch_ * spatial_; }
  int64_t entries() const { return channels_ * channel_entries(); }
  int64_t partials() const { return entries() * chunks_; }

  int64_t first_entry(int64_t c) const { return c * channel_entries(); }
  /// body(entry) for the coefficients of channel c.
  template <class Body>
  void for_each_entry(int64_t c, const Body& body) const {
    for (int64_t e = 0; e < channel_entries(); ++e) body(first_entry(c) + e);
  }
  /// body(partial, values that it sums) for the partial sums of channel c, in a fixed order.
  template <class Body>
  void for_each_partial(int64_t c, const Body& body) const {
    for (int64_t k = 0; k < chunks_; ++k) {
      const Chunk chunk = chunk_at(columns_ ? c / group_channels_ : c, k);
      if (columns_) {
        for_each_entry(c, [&](int64_t e) { body(k * entries() + e, chunk.block.planes); });
      } else {
        body(chunk.partial, chunk.block.values());
      }
    }
  }

  /// body(chunk) for all chunks, in parallel.
  template <class Body>
  void for_each_chunk(const Body& body) const {
    parallel_for(groups() * chunks_, grain_for(chunk_work()), [&](int64_t begin, int64_t end) {
      for (int64_t t = begin; t < end; ++t) body(chunk_at(t / chunks_, t % chunks_));
    });
  }

  /// reduce(chunk) for all chunks of a channel, then finish(channel), then apply(chunk) for all its chunks:
  /// group by group, so that a group is still in the cache when it is applied; or, where there are too few
  /// groups for the workers, each of the three for all channels at once.
  template <class Reduce, class Finish, class Apply>
  void run(const Reduce& reduce, const Finish& finish, const Apply& apply) const {
    if (chunks_ == 1 || groups() >= 2 * max_workers() || groups() * chunks_ * chunk_work() <= kTaskWork) {
      parallel_for(groups(), grain_for(chunks_ * chunk_work()), [&](int64_t begin, int64_t end) {
        for (int64_t g = begin; g < end; ++g) {
          for (int64_t k = 0; k < chunks_; ++k) reduce(chunk_at(g, k));
          const int64_t last = std::min(channels_, (g + 1) * group_channels_);
          for (int64_t c = g * group_channels_; c < last; ++c) finish(c);
          for (int64_t k = chunks_; k-- > 0;) apply(chunk_at(g, k));  // what was read last is nearest
        }
      });
      return;
    }
    for_each_chunk(reduce);
    parallel_for(channels_, grain_for(chunks_ * channel_entries() + 32), [&](int64_t begin, int64_t end) {
      for (int64_t c = begin; c < end; ++c) finish(c);
    });
    for_each_chunk(apply);
  }

 private:
  int64_t groups() const { return (channels_ + group_channels_ - 1) / group_channels_; }
  int64_t chunk_work() const { return planes_ * std::min(kChunkValues, spatial_) * group_channels_ / 2; }
  int64_t channel_entries() const { return columns_ ? spatial_ : 1; }

  Chunk chunk_at(int64_t group, int64_t k) const {
    const int64_t plane = k / pieces_ * planes_, first = k % pieces_ * kChunkValues;
    const int64_t stride = channels_ * spatial_, planes = std::min(planes_, batch_ - plane);
    if (columns_) {
      const int64_t width = group_channels_ * spatial_, entry = group * width;
      return {plane * stride + entry,
              entry,
              k * stride + entry,
              {planes, stride, std::min(width, stride - entry), true}};
    }
    return {plane * stride + group * spatial_ + first,
            group,
            group * chunks_ + k,
            {planes, stride, std::min(kChunkValues, spatial_ - first), false}};
  }

  int64_t batch_, channels_, spatial_;
  bool columns_;
  int64_t group_channels_ = 1, planes_ = 1, pieces_ = 1, chunks_ = 1;
};

}  // namespace pleat
