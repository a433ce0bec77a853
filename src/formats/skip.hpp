#pragma once

#include <cstring>
#include <utility>

#include "base/format.hpp"
#include "pleat/data.hpp"

namespace pleat::formats {

/// Runs `read`, which reads one item; where it fails and `skipped` is given, notes that instead. Whether the
/// item was read.
template <class Read>
bool read_or_skip(Skipped* skipped, Read&& read) {
  if (skipped == nullptr) {
    std::forward<Read>(read)();
    return true;
  }
  try {
    std::forward<Read>(read)();
    return true;
  } catch (const Error& error) {
    ++skipped->items;
    skipped->reasons.emplace_back(error.what());
    return false;
  }
}

/// The first `count` along dimension 0.
inline Tensor first_items(const Tensor& tensor, int64_t count) {
  Shape shape = tensor.shape();
  shape[0] = count;
  Tensor first(shape, tensor.dtype());
  std::memcpy(first.raw(), tensor.raw(), first.bytes());
  return first;
}

}  // namespace pleat::formats
