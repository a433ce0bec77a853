#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <vector>

#include "ops/op.hpp"

namespace pleat {

/// Elements of larger values are not followed: shapes, axes and scales are small.
inline constexpr int64_t kMostKnown = 1024;

/// A value all of whose elements are known, or null for one that is too large to follow.
std::shared_ptr<const KnownValue> known_value(const Tensor& values);

/// Whether every element is known.
bool is_known(const ValueType* type);

/// Stands for an element that is not known yet.
inline constexpr int64_t kUnknown = std::numeric_limits<int64_t>::min();
/// The elements of an input of whole numbers, some of them perhaps kUnknown; nullopt where nothing is known,
/// not even how many there are. Error for an input of another type or of rank above 1, named `what`.
std::optional<std::vector<int64_t>> known_integers(const ValueType* type, const char* what);

/// The elements of a small input as far as they are known, one by one. It allocates nothing: a run, where all
/// of a shape input's are known, reads them through this too.
class KnownElements {
 public:
  /// Null: an input that is absent, which has none.
  explicit KnownElements(const ValueType* type);
  explicit KnownElements(const InputTypes& in, size_t i) : KnownElements(i < in.size() ? in[i] : nullptr) {}

  /// kDynamic where not even their number is known.
  int64_t size() const { return size_; }
  bool known(int64_t i) const { return values_ != nullptr && (unknown_ == nullptr || !unknown_[i]); }
  bool all_known() const;
  int64_t integer(int64_t i) const;
  double real(int64_t i) const;

 private:
  const void* values_ = nullptr;
  const bool* unknown_ = nullptr;
  DType dtype_ = DType::i64;
  int64_t size_ = 0;
};

/// Error for an input that is there and not a list of whole numbers, named `what`.
void check_integers(const InputTypes& in, size_t i, const char* what);

/// Every element of an input of axes, made positive for `rank`. nullopt unless all are known. Error for one
/// outside of it and for one that stands twice.
std::optional<std::vector<int>> known_axes(const ValueType* type, int rank, const char* op);

}  // namespace pleat
