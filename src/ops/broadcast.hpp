#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <type_traits>

#include "pleat/shape.hpp"

namespace pleat {

// Broadcasting as NumPy's: shapes are aligned at their last dimension, and an operand is repeated along each
// dimension where its size is 1 or that it does not have.

/// The highest rank that runs without allocating; more is refused when types are inferred.
inline constexpr int kMaxRank = 8;

/// Error, named `op`, for a shape of higher rank.
void check_rank(const Shape& shape, const char* op);

/// The shape of a result of a and b. Where a size is dynamic it is the other's, unless that is 1. Error,
/// named `op`, for shapes that do not fit.
Shape broadcast_shapes(const Shape& a, const Shape& b, const char* op);

/// The size along dimension i of a shape that is aligned with `rank` dimensions.
inline int64_t aligned_size(const Shape& shape, int i, int rank) {
  const int d = i - (rank - shape.rank());
  return d < 0 ? 1 : shape[d];
}

/// Whether a tensor of shape `from` is sure to have y's shape, which it and `other` are broadcast to.
bool surely_has_shape(const Shape& from, const Shape& other, const Shape& y);

/// The elements of y, in order, with where they come from in each of `Count` operands that are broadcast to
/// y's shape. Neighbouring dimensions that all operands go through alike are joined; along a row, the last
/// dimension left, an operand is contiguous or stands still.
template <int Count>
class BroadcastRows {
 public:
  using Offsets = std::array<int64_t, Count>;

  BroadcastRows(const Shape& y, const std::array<const Shape*, Count>& operands)
      : BroadcastRows(y, [&](size_t k, int i) { return aligned_size(*operands[k], i, y.rank()); }) {}

  /// With size(k, i): operand k's size along y's dimension i.
  template <class Size>
  requires std::is_invocable_r_v<int64_t, Size, size_t, int> BroadcastRows(const Shape& y,
                                                                           const Size& size_of) {
    Offsets strides;  // of the dimension at hand, were it not broadcast
    strides.fill(1);
    for (int i = y.rank() - 1; i >= 0; --i) {
      Offsets step{};
      for (size_t k = 0; k < Count; ++k) {
        const int64_t size = size_of(k, i);
        if (size != 1) step[k] = strides[k];
        strides[k] *= size;
      }
      if (y[i] != 1) add(y[i], step);
    }
    if (rank_ == 0) add(1, {});
  }

  int64_t row() const { return sizes_[0]; }
  /// From one element of a row to the next: 1, or 0.
  int64_t step(size_t operand) const { return steps_[0][operand]; }

  /// Calls body(at, n, offsets) for pieces of rows that together are the elements [begin, end) of y: n of
  /// them from y[at], and from each operand's offset.
  template <class Body>
  void for_each(int64_t begin, int64_t end, const Body& body) const {
    if (begin >= end) return;
    std::array<int64_t, kMaxRank> index{};
    Offsets offsets{};
    int64_t rest = begin;
    for (size_t i = 0; i < static_cast<size_t>(rank_); ++i) {
      index[i] = rest % sizes_[i];
      rest /= sizes_[i];
      for (size_t k = 0; k < Count; ++k) offsets[k] += index[i] * steps_[i][k];
    }
    for (int64_t at = begin;;) {
      const int64_t n = std::min(end - at, row() - index[0]);
      body(at, n, offsets);
      at += n;
      if (at == end) return;
      for (size_t k = 0; k < Count; ++k) offsets[k] -= index[0] * steps_[0][k];
      index[0] = 0;
      advance(index, offsets);
    }
  }

 private:
  // Puts a dimension before those there are, or joins it with the one behind it.
  void add(int64_t size, const Offsets& step) {
    const auto last = static_cast<size_t>(rank_ - 1);
    bool joins = rank_ > 0;
    for (size_t k = 0; joins && k < Count; ++k) joins = step[k] == steps_[last][k] * sizes_[last];
    if (joins) {
      sizes_[last] *= size;
      return;
    }
    sizes_[static_cast<size_t>(rank_)] = size;
    steps_[static_cast<size_t>(rank_++)] = step;
  }

  // To the next row.
  void advance(std::array<int64_t, kMaxRank>& index, Offsets& offsets) const {
    for (size_t i = 1; i < static_cast<size_t>(rank_); ++i) {
      for (size_t k = 0; k < Count; ++k) offsets[k] += steps_[i][k];
      if (++index[i] < sizes_[i]) return;
      for (size_t k = 0; k < Count; ++k) offsets[k] -= sizes_[i] * steps_[i][k];
      index[i] = 0;
    }
  }

  int rank_ = 0;
  std::array<int64_t, kMaxRank> sizes_;  // innermost first
  std::array<Offsets, kMaxRank> steps_;
};

}  // namespace pleat
