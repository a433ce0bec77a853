#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "pleat/error.hpp"
#include "pleat/shape.hpp"

namespace pleat {

/// A boolean takes one byte.
enum class DType : uint8_t { f32, f64, i64, i32, boolean };

size_t size_of(DType dtype);
std::string_view name_of(DType dtype);

template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return DType::f32;
}
template <>
constexpr DType dtype_of<double>() {
  return DType::f64;
}
template <>
constexpr DType dtype_of<int64_t>() {
  return DType::i64;
}
template <>
constexpr DType dtype_of<int32_t>() {
  return DType::i32;
}
template <>
constexpr DType dtype_of<bool>() {
  return DType::boolean;
}

/// A contiguous, 64-byte aligned, row-major array. Copies share the storage, as in PyTorch; clone() does not.
class Tensor {
 public:
  Tensor() = default;
  /// Zeros. The shape must be static.
  explicit Tensor(Shape shape, DType dtype = DType::f32);
  /// A copy of `values`, as many as the shape has elements.
  template <class T>
  static Tensor from(Shape shape, const std::vector<T>& values) {
    Tensor tensor(std::move(shape), dtype_of<T>());
    tensor.copy_from(values.data(), values.size() * sizeof(T));
    return tensor;
  }

  /// Elements that `read` writes, every one of them, when they are first needed: a weight that stays in its
  /// file until then. Copies made before that call `read` themselves, and leave this one as it is; it may be
  /// called from several threads at once, and what it throws reaches whoever needed the elements.
  static Tensor deferred(Shape shape, DType dtype, std::function<void(void* elements)> read);
  /// Whether the elements were not needed yet.
  bool is_deferred() const;

  bool defined() const { return storage_ != nullptr; }
  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  int64_t numel() const { return shape_.numel(); }
  size_t bytes() const { return static_cast<size_t>(numel()) * size_of(dtype_); }

  /// The elements. T must be the tensor's own type. Asking for them writable counts as a change: see
  /// version().
  template <class T>
  T* data() {
    return static_cast<T*>(typed(dtype_of<T>()));
  }
  template <class T>
  const T* data() const {
    return static_cast<const T*>(typed(dtype_of<T>()));
  }
  void* raw();
  const void* raw() const;

  template <class T>
  std::span<T> span() {
    return {data<T>(), static_cast<size_t>(numel())};
  }
  template <class T>
  std::span<const T> span() const {
    return {data<T>(), static_cast<size_t>(numel())};
  }

  Tensor clone() const;
  /// A copy that `change` has been applied to, in place. That of a deferred tensor is deferred too: its
  /// elements are made of those of now, whatever becomes of this one.
  Tensor changed(std::function<void(void* elements)> change) const;
  /// Writes the elements there, as many bytes as the tensor has.
  void copy_to(void* target) const;
  /// The same values in another type; shares the storage where the type is the same already.
  Tensor to(DType dtype) const;
  /// The same elements under another shape of equal size; shares the storage.
  Tensor reshape(Shape shape) const;

  bool shares_storage(const Tensor& other) const { return storage_ == other.storage_; }
  /// Grows each time the storage may have been written, through any copy of this tensor.
  uint64_t version() const;

 private:
  struct Storage;

  void check_shape() const;
  void copy_from(const void* source, size_t bytes);
  void* typed(DType wanted);
  const void* typed(DType wanted) const;

  std::shared_ptr<Storage> storage_;
  Shape shape_;
  DType dtype_ = DType::f32;
};

/// Named tensors in order: a network's weights under PyTorch's parameter names ("bn1.running_mean").
using StateDict = std::vector<std::pair<std::string, Tensor>>;

/// The tensor of that name, or nullptr.
const Tensor* find(const StateDict& state, std::string_view name);

}  // namespace pleat
