#pragma once

#include <algorithm>
#include <array>
#include <string_view>

#include "base/parallel.hpp"
#include "ops/broadcast.hpp"

namespace pleat {

/// Einsum takes so many inputs at most.
inline constexpr int kMostOperands = 8;
/// Indices are letters, by their place after 'A', and then those of "...", the last dimension first.
inline constexpr int kLetters = 'z' - 'A' + 1;
inline constexpr int kIndices = kLetters + kMaxRank;

/// A list of indices that does not allocate.
struct Indices {
  int count = 0;
  std::array<int, kMaxRank> at{};
  void push(int index);
  const int* begin() const { return at.data(); }
  const int* end() const { return at.data() + count; }
};

/// An equation with its operands' shapes, whose sizes may be dynamic. Allocates nothing.
class EinsumEquation {
 public:
  /// shape_of(k): operand k's shape. Error for an equation that is none, or that the shapes do not fit.
  EinsumEquation(std::string_view text, int operands, FunctionRef<const Shape&(int)> shape_of);

  const Indices& output() const { return output_; }
  int64_t size(int index) const { return sizes_[static_cast<size_t>(index)]; }
  bool is_summed(int index) const {
    return uses_[static_cast<size_t>(index)] > 0 &&
           std::find(output_.begin(), output_.end(), index) == output_.end();
  }
  /// From one value of the index to the next in operand k.
  int64_t stride(int k, int index) const {
    return strides_[static_cast<size_t>(k)][static_cast<size_t>(index)];
  }

 private:
  Indices read(std::string_view term, int dots) const;
  void add_operand(size_t k, std::string_view term, const Shape& shape);
  void check_output() const;

  std::string_view text_;
  int dots_ = 0;  // the most dimensions that "..." stands for
  Indices output_;
  std::array<int64_t, kIndices> sizes_{};
  std::array<int, kIndices> uses_{};
  std::array<std::array<int64_t, kIndices>, kMostOperands> strides_{};
};

}  // namespace pleat
