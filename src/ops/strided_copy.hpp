#pragma once

// What ops that only move elements share.

#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

#include "ops/op.hpp"

namespace pleat {

/// The highest rank that ops with loops over every dimension take.
inline constexpr int kMaxRank = 8;
/// Error where the rank is higher.
void check_rank(std::string_view op, const Shape& shape);

/// to[sum i_d * to_stride_d] = from[sum i_d * from_stride_d] for every index within the sizes. Strides count
/// elements; one of `from` may be 0 or negative, places of `to` are written once. Dimensions are added
/// outermost first and join where they continue each other.
class StridedCopy {
 public:
  /// Twice kMaxRank: a tile's dimension is two.
  static constexpr int kMost = 2 * kMaxRank;
  struct Dim {
    int64_t size, from, to;
  };

  void add(int64_t size, int64_t from_stride, int64_t to_stride);
  /// Elements of the type's size, from the first of each side; in parallel.
  void run(DType dtype, const void* from, void* to) const;

  int rank() const { return rank_; }
  const Dim& operator[](int i) const { return dims_[static_cast<size_t>(i)]; }
  int64_t numel() const;

 private:
  std::array<Dim, kMost> dims_{};
  int rank_ = 0;
};

/// `rows` rows of `size` elements, from_stride apart, to where they are to_stride apart.
template <class U>
void copy_rows(int64_t rows, int64_t size, const U* from, int64_t from_stride, U* to, int64_t to_stride) {
  for (int64_t i = 0; i < rows; ++i, from += from_stride, to += to_stride) std::copy(from, from + size, to);
}

/// Rows of `size` elements, `count` of them and from_stride apart, element by element in turn.
template <class U>
void interleave(int64_t count, int64_t size, int64_t from_stride, const U* from, U* to) {
  const auto all = [&](auto known_count) {
    for (int64_t j = 0; j < size; ++j) {
      for (int64_t k = 0; k < known_count; ++k) to[j * known_count + k] = from[k * from_stride + j];
    }
  };
  switch (count) {
    case 2:
      return all(std::integral_constant<int64_t, 2>());
    case 3:
      return all(std::integral_constant<int64_t, 3>());
    case 4:
      return all(std::integral_constant<int64_t, 4>());
    default:
      return all(count);
  }
}

/// A step along each dimension that passes over a contiguous tensor of that shape.
std::array<int64_t, kMaxRank> strides_of(const Shape& shape);

/// Calls body with a null pointer to an unsigned type of the element's size: who only moves elements need not
/// know more of them.
template <class Body>
void with_element_size(DType dtype, const Body& body) {
  switch (size_of(dtype)) {
    case 1:
      return body(static_cast<uint8_t*>(nullptr));
    case 4:
      return body(static_cast<uint32_t*>(nullptr));
    default:
      return body(static_cast<uint64_t*>(nullptr));
  }
}

}  // namespace pleat
