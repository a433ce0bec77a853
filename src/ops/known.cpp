#include "ops/known.hpp"

#include <algorithm>
#include <utility>

#include "base/format.hpp"

namespace pleat {

std::shared_ptr<const KnownValue> known_value(const Tensor& values) {
  if (values.numel() > kMostKnown) return nullptr;
  return std::make_shared<const KnownValue>(KnownValue{values});
}

bool is_known(const ValueType* type) {
  return type->known != nullptr && !type->known->unknown.defined();
}

namespace {

void check_integers(const ValueType& type, const char* what) {
  if ((type.dtype != DType::i64 && type.dtype != DType::i32) || type.shape.rank() > 1) {
    fail("needs ", what, " as a list of i64, got ", name_of(type.dtype), " ", type.shape.str());
  }
}

template <class T>
T element(DType dtype, const void* values, int64_t i) {
  switch (dtype) {
    case DType::f32:
      return static_cast<T>(static_cast<const float*>(values)[i]);
    case DType::f64:
      return static_cast<T>(static_cast<const double*>(values)[i]);
    case DType::i64:
      return static_cast<T>(static_cast<const int64_t*>(values)[i]);
    case DType::i32:
      return static_cast<T>(static_cast<const int32_t*>(values)[i]);
    default:
      return static_cast<T>(static_cast<const bool*>(values)[i]);
  }
}

}  // namespace

void check_integers(const InputTypes& in, size_t i, const char* what) {
  if (i < in.size() && in[i] != nullptr) check_integers(*in[i], what);
}

KnownElements::KnownElements(const ValueType* type) {
  if (type == nullptr) return;
  size_ = type->shape.numel();
  if (type->known == nullptr) return;
  values_ = std::as_const(type->known->values).raw();
  dtype_ = type->known->values.dtype();
  if (type->known->unknown.defined()) unknown_ = std::as_const(type->known->unknown).data<bool>();
}

bool KnownElements::all_known() const {
  if (size_ == kDynamic) return false;
  for (int64_t i = 0; i < size_; ++i) {
    if (!known(i)) return false;
  }
  return true;
}

int64_t KnownElements::integer(int64_t i) const {
  return element<int64_t>(dtype_, values_, i);
}

double KnownElements::real(int64_t i) const {
  return element<double>(dtype_, values_, i);
}

std::optional<std::vector<int64_t>> known_integers(const ValueType* type, const char* what) {
  check_integers(*type, what);
  if (type->known == nullptr) {
    if (!type->shape.is_static() || type->shape.numel() > kMostKnown) return std::nullopt;
    return std::vector<int64_t>(static_cast<size_t>(type->shape.numel()), kUnknown);
  }
  const Tensor values = type->known->values.to(DType::i64);
  std::vector<int64_t> integers(values.data<int64_t>(), values.data<int64_t>() + values.numel());
  if (type->known->unknown.defined()) {
    const bool* unknown = type->known->unknown.data<bool>();
    for (size_t i = 0; i < integers.size(); ++i) {
      if (unknown[i]) integers[i] = kUnknown;
    }
  }
  return integers;
}

std::optional<std::vector<int>> known_axes(const ValueType* type, int rank, const char* op) {
  const auto given = known_integers(type, "axes");
  if (!given || std::count(given->begin(), given->end(), kUnknown) > 0) return std::nullopt;
  std::vector<int> axes;
  for (int64_t axis : *given) {
    if (axis < -rank || axis >= rank) fail(op, ": axis ", axis, " is outside of rank ", rank);
    axes.push_back(static_cast<int>(axis < 0 ? axis + rank : axis));
  }
  std::vector<int> sorted = axes;
  std::sort(sorted.begin(), sorted.end());
  if (std::adjacent_find(sorted.begin(), sorted.end()) != sorted.end()) fail(op, ": an axis is given twice");
  return axes;
}

}  // namespace pleat
