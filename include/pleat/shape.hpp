#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace pleat {

/// A dimension that is known only when a network runs, usually the batch.
inline constexpr int64_t kDynamic = -1;

/// The sizes of a tensor's dimensions, outermost first. Rank 0 is a scalar.
class Shape {
 public:
  Shape() = default;
  Shape(std::initializer_list<int64_t> dims) : dims_(dims) {}
  explicit Shape(std::vector<int64_t> dims) : dims_(std::move(dims)) {}

  int rank() const { return static_cast<int>(dims_.size()); }
  int64_t operator[](int i) const { return dims_[static_cast<size_t>(i)]; }
  int64_t& operator[](int i) { return dims_[static_cast<size_t>(i)]; }
  bool operator==(const Shape&) const = default;

  /// Product of the dimensions; kDynamic where one of them is dynamic. Error above 2^60.
  int64_t numel() const { return product(0, rank()); }
  /// Product of dimensions [begin, end); 1 for none; kDynamic where one of them is dynamic.
  int64_t product(int begin, int end) const;
  bool is_static() const { return numel() != kDynamic; }

  void push_back(int64_t dim) { dims_.push_back(dim); }
  auto begin() const { return dims_.begin(); }
  auto end() const { return dims_.end(); }
  const std::vector<int64_t>& dims() const { return dims_; }

  /// "(N, 3, 32, 32)": a dynamic dimension prints as N.
  std::string str() const;

 private:
  std::vector<int64_t> dims_;
};

}  // namespace pleat
