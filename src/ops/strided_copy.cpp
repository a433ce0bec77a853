#include "ops/strided_copy.hpp"

#include <algorithm>
#include <cstring>

#include "base/format.hpp"
#include "base/parallel.hpp"

namespace pleat {
namespace {

using Dim = StridedCopy::Dim;

// Walks over the index of some dimensions, outermost first, and keeps both sides' offsets.
class Walk {
 public:
  void add(const Dim& dim) { dims_[static_cast<size_t>(rank_++)] = dim; }
  int64_t count() const {
    int64_t count = 1;
    for (int d = 0; d < rank_; ++d) count *= dims_[static_cast<size_t>(d)].size;
    return count;
  }
  void go_to(int64_t item) {
    from = to = 0;
    for (size_t d = static_cast<size_t>(rank_); d-- > 0;) {
      index_[d] = item % dims_[d].size;
      item /= dims_[d].size;
      from += index_[d] * dims_[d].from;
      to += index_[d] * dims_[d].to;
    }
  }
  void next() {
    for (size_t d = static_cast<size_t>(rank_); d-- > 0;) {
      from += dims_[d].from;
      to += dims_[d].to;
      if (++index_[d] < dims_[d].size) return;
      from -= dims_[d].size * dims_[d].from;
      to -= dims_[d].size * dims_[d].to;
      index_[d] = 0;
    }
  }

  int64_t from = 0, to = 0;

 private:
  std::array<Dim, StridedCopy::kMost> dims_{};
  std::array<int64_t, StridedCopy::kMost> index_{};
  int rank_ = 0;
};

template <class U>
void copy_row(const Dim& row, const U* from, U* to) {
  if (row.from == 1 && row.to == 1) {
    std::memcpy(to, from, static_cast<size_t>(row.size) * sizeof(U));
  } else if (row.from == 0 && row.to == 1) {
    std::fill_n(to, row.size, *from);
  } else {
    for (int64_t i = 0; i < row.size; ++i) to[i * row.to] = from[i * row.from];
  }
}

// Long innermost dimensions are cut, so that they can go parallel.
constexpr int64_t kPiece = 8192;
int64_t pieces(int64_t size, int64_t piece) {
  return (size + piece - 1) / piece;
}

template <class U>
void copy_rows(const StridedCopy& copy, const U* from, U* to) {
  const Dim row = copy[copy.rank() - 1];
  Walk rows;
  for (int d = 0; d + 1 < copy.rank(); ++d) rows.add(copy[d]);
  const int64_t count = pieces(row.size, kPiece);
  rows.add({count, kPiece * row.from, kPiece * row.to});
  parallel_for(rows.count(), grain_for(std::min(kPiece, row.size) / 2), [&](int64_t begin, int64_t end) {
    Walk at = rows;
    at.go_to(begin);
    for (int64_t i = begin; i < end; ++i, at.next()) {
      const int64_t size = std::min(kPiece, row.size - i % count * kPiece);
      copy_row({size, row.from, row.to}, from + at.from, to + at.to);
    }
  });
}

// Part of a transposition: `along` has neighbours in `to`, `across` in `from`.
template <class U>
void transpose_part(const Dim& along, const Dim& across, const U* from, U* to) {
  if (across.size >= along.size) {
    for (int64_t k = 0; k < along.size; ++k) {
      const U* row = from + k * along.from;
      for (int64_t j = 0; j < across.size; ++j) to[j * across.to + k] = row[j];
    }
  } else {
    for (int64_t j = 0; j < across.size; ++j) {
      U* row = to + j * across.to;
      for (int64_t k = 0; k < along.size; ++k) row[k] = from[k * along.from + j];
    }
  }
}

// A square with edges of one cache line. Through a copy: rows that lie powers of two apart would drive each
// other out of the cache.
template <class U>
void transpose_square(int64_t from_stride, int64_t to_stride, const U* from, U* to) {
  constexpr size_t kEdge = 64 / sizeof(U);
  U square[kEdge][kEdge], line[kEdge];
  for (size_t k = 0; k < kEdge; ++k) {
    std::memcpy(square[k], from + static_cast<int64_t>(k) * from_stride, sizeof(line));
  }
  for (size_t j = 0; j < kEdge; ++j) {
    for (size_t k = 0; k < kEdge; ++k) line[k] = square[k][j];
    std::memcpy(to + static_cast<int64_t>(j) * to_stride, line, sizeof(line));
  }
}

// By strips of whole cache lines of `from`, so that each line is read once; within them by squares.
template <class U>
void transpose(const StridedCopy& copy, int across_dim, const U* from, U* to) {
  constexpr int64_t kEdge = 64 / sizeof(U), kStripSize = 64 * kEdge, kFewRows = 4;
  const Dim along = copy[copy.rank() - 1], across = copy[across_dim];
  const int64_t strip = std::max(kEdge, kStripSize / along.size / kEdge * kEdge);
  Walk strips;
  for (int d = 0; d + 1 < copy.rank(); ++d) {
    if (d != across_dim) strips.add(copy[d]);
  }
  const int64_t count = pieces(across.size, strip), cuts = pieces(along.size, kPiece);
  strips.add({count, strip, strip * across.to});
  strips.add({cuts, kPiece * along.from, kPiece});
  const int64_t work = std::min(strip, across.size) * std::min(kPiece, along.size) / 2;
  parallel_for(strips.count(), grain_for(work), [&](int64_t begin, int64_t end) {
    Walk at = strips;
    at.go_to(begin);
    for (int64_t i = begin; i < end; ++i, at.next()) {
      const int64_t width = std::min(strip, across.size - i / cuts % count * strip);
      const int64_t length = std::min(kPiece, along.size - i % cuts * kPiece);
      const int64_t full_width = width / kEdge * kEdge, full_length = length / kEdge * kEdge;
      const U* x = from + at.from;
      U* y = to + at.to;
      if (length == across.to && length <= kFewRows) {
        interleave(length, width, along.from, x, y);
        continue;
      }
      for (int64_t k = 0; k < full_length; k += kEdge) {
        const U* row = x + k * along.from;
        for (int64_t j = 0; j < full_width; j += kEdge) {
          transpose_square(along.from, across.to, row + j, y + j * across.to + k);
        }
        transpose_part({kEdge, along.from, 1}, {width - full_width, 1, across.to}, row + full_width,
                       y + full_width * across.to + k);
      }
      transpose_part({length - full_length, along.from, 1}, {width, 1, across.to},
                     x + full_length * along.from, y + full_length);
    }
  });
}

// The dimension whose elements are neighbours in `from`, where that is not the innermost; else -1.
int transposed_dim(const StridedCopy& copy) {
  const int last = copy.rank() - 1;
  if (copy[last].from == 1 || copy[last].from == 0 || copy[last].to != 1) return -1;
  for (int d = last - 1; d >= 0; --d) {
    if (copy[d].from == 1) return d;
  }
  return -1;
}

}  // namespace

void check_rank(std::string_view op, const Shape& shape) {
  if (shape.rank() > kMaxRank) {
    fail(op, ": takes tensors of rank ", kMaxRank, " at most, got ", shape.str());
  }
}

void StridedCopy::add(int64_t size, int64_t from_stride, int64_t to_stride) {
  if (size == 1) return;
  if (rank_ > 0) {
    Dim& outer = dims_[static_cast<size_t>(rank_ - 1)];
    if (outer.from == size * from_stride && outer.to == size * to_stride) {
      outer = {outer.size * size, from_stride, to_stride};
      return;
    }
  }
  dims_[static_cast<size_t>(rank_++)] = {size, from_stride, to_stride};
}

int64_t StridedCopy::numel() const {
  int64_t count = 1;
  for (int d = 0; d < rank_; ++d) count *= (*this)[d].size;
  return count;
}

void StridedCopy::run(DType dtype, const void* from, void* to) const {
  if (numel() == 0) return;
  StridedCopy copy = *this;
  if (copy.rank_ == 0) copy.dims_[static_cast<size_t>(copy.rank_++)] = {1, 1, 1};
  with_element_size(dtype, [&]<class U>(U*) {
    const int across = transposed_dim(copy);
    if (across >= 0) {
      transpose(copy, across, static_cast<const U*>(from), static_cast<U*>(to));
    } else {
      copy_rows(copy, static_cast<const U*>(from), static_cast<U*>(to));
    }
  });
}

std::array<int64_t, kMaxRank> strides_of(const Shape& shape) {
  std::array<int64_t, kMaxRank> strides{};
  int64_t stride = 1;
  for (int d = shape.rank() - 1; d >= 0; --d) {
    strides[static_cast<size_t>(d)] = stride;
    stride *= shape[d];
  }
  return strides;
}

}  // namespace pleat
