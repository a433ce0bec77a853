#include "pleat/tensor.hpp"

#include <algorithm>
#include <atomic>
#include <cstring>
#include <mutex>

#include "base/format.hpp"
#include "base/zeroed_memory.hpp"
#include "tensor/element_type.hpp"

namespace pleat {
namespace {

template <class From, class To>
void convert(const Tensor& from, Tensor& to) {
  const From* source = from.data<From>();
  std::transform(source, source + from.numel(), to.data<To>(),
                 [](From value) { return static_cast<To>(value); });
}

}  // namespace

struct Tensor::Storage {
  using Read = std::function<void(void*)>;

  explicit Storage(size_t bytes) : bytes_(bytes), memory_(bytes), data_(memory_.data()) {}
  Storage(size_t bytes, Read read) : bytes_(bytes), read_(std::move(read)) {}

  bool is_deferred() const { return data_.load(std::memory_order_acquire) == nullptr; }

  void* data() {
    if (void* const data = data_.load(std::memory_order_acquire)) return data;
    const std::lock_guard lock(mutex_);
    if (is_deferred()) {
      ZeroedMemory memory(bytes_);
      read_(memory.data());
      memory_ = std::move(memory);
      data_.store(memory_.data(), std::memory_order_release);
      read_ = nullptr;  // and let go of its file
    }
    return data_.load(std::memory_order_acquire);
  }

  // What reads the elements, where they are deferred still.
  Read read() {
    const std::lock_guard lock(mutex_);
    return read_;
  }

  uint64_t version = 0;

 private:
  size_t bytes_;
  Read read_;
  std::mutex mutex_;
  ZeroedMemory memory_;
  std::atomic<void*> data_ = nullptr;
};

size_t size_of(DType dtype) {
  constexpr size_t sizes[] = {4, 8, 8, 4, 1};
  static_assert(sizeof(bool) == 1);
  return sizes[static_cast<size_t>(dtype)];
}

std::string_view name_of(DType dtype) {
  constexpr std::string_view names[] = {"f32", "f64", "i64", "i32", "bool"};
  return names[static_cast<size_t>(dtype)];
}

Tensor::Tensor(Shape shape, DType dtype) : shape_(std::move(shape)), dtype_(dtype) {
  check_shape();
  storage_ = std::make_shared<Storage>(bytes());
}

void Tensor::check_shape() const {
  if (!shape_.is_static()) fail("tensor: every dimension must be known, got ", shape_.str());
}

Tensor Tensor::deferred(Shape shape, DType dtype, std::function<void(void*)> read) {
  if (!read) fail("tensor: a deferred one needs what reads it");
  Tensor tensor;
  tensor.shape_ = std::move(shape);
  tensor.dtype_ = dtype;
  tensor.check_shape();
  tensor.storage_ = std::make_shared<Storage>(tensor.bytes(), std::move(read));
  return tensor;
}

void Tensor::copy_from(const void* source, size_t bytes) {
  if (bytes != this->bytes()) {
    fail("tensor: shape ", shape_.str(), " needs ", numel(), " values, got ", bytes / size_of(dtype_));
  }
  if (bytes > 0) std::memcpy(storage_->data(), source, bytes);
}

void* Tensor::raw() {
  if (!storage_) fail("tensor: used before it was given a shape");
  ++storage_->version;
  return storage_->data();
}

const void* Tensor::raw() const {
  if (!storage_) fail("tensor: used before it was given a shape");
  return storage_->data();
}

void* Tensor::typed(DType wanted) {
  if (wanted != dtype_) fail("tensor: holds ", name_of(dtype_), ", asked for ", name_of(wanted));
  return raw();
}

const void* Tensor::typed(DType wanted) const {
  if (wanted != dtype_) fail("tensor: holds ", name_of(dtype_), ", asked for ", name_of(wanted));
  return raw();
}

void Tensor::copy_to(void* target) const {
  if (const auto read = storage_ ? storage_->read() : nullptr) {
    read(target);
  } else if (const void* const elements = raw(); bytes() > 0) {
    std::memcpy(target, elements, bytes());
  }
}

Tensor Tensor::clone() const {
  Tensor copy(shape_, dtype_);
  copy_to(copy.storage_->data());
  return copy;
}

Tensor Tensor::changed(std::function<void(void*)> change) const {
  if (auto read = storage_ ? storage_->read() : nullptr) {
    return deferred(shape_, dtype_, [read = std::move(read), change = std::move(change)](void* elements) {
      read(elements);
      change(elements);
    });
  }
  Tensor copy = clone();
  change(copy.raw());
  return copy;
}

bool Tensor::is_deferred() const {
  return storage_ && storage_->is_deferred();
}

Tensor Tensor::to(DType dtype) const {
  if (dtype == dtype_) return *this;
  const Tensor source = is_deferred() ? clone() : *this;
  Tensor converted(shape_, dtype);
  with_type(dtype_, [&]<class From>(From*) {
    with_type(dtype, [&]<class To>(To*) { convert<From, To>(source, converted); });
  });
  return converted;
}

Tensor Tensor::reshape(Shape shape) const {
  if (shape.numel() != numel()) {
    fail("tensor: cannot view ", shape_.str(), " as ", shape.str(), ": the sizes differ");
  }
  Tensor view = *this;
  view.shape_ = std::move(shape);
  return view;
}

uint64_t Tensor::version() const {
  return storage_ ? storage_->version : 0;
}

const Tensor* find(const StateDict& state, std::string_view name) {
  const auto it =
      std::find_if(state.begin(), state.end(), [&](const auto& entry) { return entry.first == name; });
  return it == state.end() ? nullptr : &it->second;
}

}  // namespace pleat
