#include "ops/reduce_layout.hpp"

#include "ops/known.hpp"

namespace pleat {

AxisSet axis_set(const ValueType* axes, int rank, bool none_if_empty) {
  AxisSet set;
  if (axes == nullptr || axes->shape.numel() == 0) {
    for (int i = 0; i < rank && !none_if_empty; ++i) set.set(static_cast<size_t>(i));
    return set;
  }
  const Tensor& values = axes->known->values;
  for (int64_t i = 0; i < values.numel(); ++i) {
    const int64_t axis = values.dtype() == DType::i64 ? values.data<int64_t>()[i] : values.data<int32_t>()[i];
    set.set(static_cast<size_t>(axis < 0 ? axis + rank : axis));
  }
  return set;
}

void ReduceLayout::Dims::add(int64_t n, int64_t step) {
  size.at(static_cast<size_t>(rank)) = n;
  stride.at(static_cast<size_t>(rank++)) = step;
}

int64_t ReduceLayout::Dims::offset(int64_t index) const {
  int64_t offset = 0;
  for (size_t i = 0; i + 1 < static_cast<size_t>(rank); ++i) {
    offset += index % size[i] * stride[i];
    index /= size[i];
  }
  return rank == 0 ? 0 : offset + index * stride[static_cast<size_t>(rank - 1)];
}

ReduceLayout::ReduceLayout(const Shape& x, const AxisSet& reduced) {
  int64_t stride = 1;
  for (int i = x.rank() - 1; i >= 0;) {
    const bool sums = reduced[static_cast<size_t>(i)];
    const bool is_last = stride == 1 && outputs_ == 1 && count_ == 1;
    int64_t size = 1;
    for (; i >= 0 && (x[i] == 1 || reduced[static_cast<size_t>(i)] == sums); --i) size *= x[i];
    (sums ? count_ : outputs_) *= size;
    if (is_last) {
      (sums ? row_ : width_) = size;
    } else {
      (sums ? reduced_ : kept_).add(size, stride);
    }
    stride *= size;
  }
  rows_ = row_ == 0 ? 0 : count_ / row_;
  if (row_ >= kPiece) {
    pieces_a_row_ = (row_ + kPiece - 1) / kPiece;
    pieces_ = rows_ * pieces_a_row_;
  } else {
    rows_a_piece_ = kPiece / std::max<int64_t>(1, row_ * std::min(width_, kColumns));
    pieces_ = (rows_ + rows_a_piece_ - 1) / rows_a_piece_;
  }
  pieces_ = std::max<int64_t>(1, pieces_);
}

ReduceLayout::Part ReduceLayout::part(int64_t piece) const {
  if (pieces_a_row_ > 1) {
    const int64_t r = piece / pieces_a_row_, begin = piece % pieces_a_row_ * kPiece;
    return {r, r + 1, begin, std::min(row_, begin + kPiece)};
  }
  const int64_t first = piece * rows_a_piece_;
  return {first, std::min(rows_, first + rows_a_piece_), 0, row_};
}

}  // namespace pleat
