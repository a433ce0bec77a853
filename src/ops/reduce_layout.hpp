#pragma once

#include <algorithm>
#include <array>
#include <bitset>
#include <cstdint>

#include "base/parallel.hpp"
#include "ops/broadcast.hpp"
#include "ops/op.hpp"

namespace pleat {

/// The dimensions that a reduction runs over.
using AxisSet = std::bitset<kMaxRank>;

/// Those that an input of axes names, which infer has checked by known_axes; all, or with `none_if_empty`
/// none, where it is absent or empty. Allocates nothing.
AxisSet axis_set(const ValueType* axes, int rank, bool none_if_empty);

/// How a reduction of x is cut, by shape alone. Neighbouring dimensions that are both kept or both reduced
/// are joined. What is reduced into one output is cut into pieces of about kPiece elements: each gives a
/// partial state, and those of an output are merged in order.
class ReduceLayout {
 public:
  ReduceLayout(const Shape& x, const AxisSet& reduced);

  int64_t outputs() const { return outputs_; }
  int64_t count() const { return count_; }  ///< elements of x for each output
  int64_t states() const { return pieces_ * outputs_; }

  /// state[o] for each output, of R's State: start(), then each element by add(state, element) in an order
  /// fixed by shape, some of them apart and then joined by merge(state, other). `partial` has states()
  /// places, of which the first outputs() are the results.
  template <class R, class U>
  void reduce(const R& reducer, const U* x, typename R::State* partial) const;

 private:
  static constexpr int64_t kLanes = 16;    // independent states in a row, so that the compiler vectorizes
  static constexpr int64_t kColumns = 64;  // neighbouring outputs that are reduced together
  static constexpr int64_t kPiece = 8192;

  struct Dims {
    int rank = 0;
    std::array<int64_t, kMaxRank> size{}, stride{};  // innermost first
    void add(int64_t n, int64_t step);
    int64_t offset(int64_t index) const;
  };
  struct Part {
    int64_t first, last;  // of the outer reduced dimensions
    int64_t begin, end;   // of a row
  };
  Part part(int64_t piece) const;

  // x is (kept outer, reduced outer, row, width) under strides, where row or width is the last dimension and
  // the other 1.
  Dims kept_, reduced_;
  int64_t row_ = 1, width_ = 1;
  int64_t outputs_ = 1, count_ = 1;
  int64_t rows_ = 1, rows_a_piece_ = 1, pieces_a_row_ = 1, pieces_ = 1;
};

template <class R, class U>
void ReduceLayout::reduce(const R& reducer, const U* x, typename R::State* partial) const {
  using State = typename R::State;
  if (outputs_ == 0) return;
  const int64_t used = width_ == 1 ? std::min(row_, kLanes) : 1;
  const int64_t blocks_a_row = (width_ + kColumns - 1) / kColumns;
  const int64_t blocks = width_ == 1 ? outputs_ : outputs_ / width_ * blocks_a_row;
  const int64_t work = count_ / std::max<int64_t>(pieces_, 1) * std::min(width_, kColumns);
  parallel_for(blocks * pieces_, grain_for(R::kCost * work), [&](int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t block = item % blocks, piece = item / blocks;
      const int64_t outer = width_ == 1 ? block : block / blocks_a_row;
      const int64_t column = width_ == 1 ? 0 : block % blocks_a_row * kColumns;
      const int64_t columns = std::min(kColumns, width_ - column);
      const Part p = part(piece);
      const U* from = x + kept_.offset(outer) + column;
      State* to = partial + piece * outputs_ + outer * width_ + column;
      State lanes[std::max(kLanes, kColumns)];
      std::fill(lanes, lanes + std::max(used, columns), reducer.start());
      for (int64_t r = p.first; r < p.last; ++r) {
        const U* at = from + reduced_.offset(r);
        if (width_ > 1) {
          for (int64_t j = 0; j < columns; ++j) reducer.add(lanes[j], at[j]);
          continue;
        }
        int64_t i = p.begin;
        for (; i + kLanes <= p.end; i += kLanes) {
          for (int64_t lane = 0; lane < kLanes; ++lane) reducer.add(lanes[lane], at[i + lane]);
        }
        for (int64_t lane = 0; i < p.end; ++i, ++lane) reducer.add(lanes[lane], at[i]);
      }
      for (int64_t lane = 1; lane < used; ++lane) reducer.merge(lanes[0], lanes[lane]);
      std::copy(lanes, lanes + columns, to);
    }
  });
  if (pieces_ == 1) return;
  parallel_for(outputs_, grain_for(R::kCost * pieces_), [&](int64_t begin, int64_t end) {
    for (int64_t o = begin; o < end; ++o) {
      for (int64_t piece = 1; piece < pieces_; ++piece) {
        reducer.merge(partial[o], partial[piece * outputs_ + o]);
      }
    }
  });
}

}  // namespace pleat
