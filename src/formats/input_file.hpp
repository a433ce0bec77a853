#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>

#include "base/format.hpp"
#include "pleat/tensor.hpp"

namespace pleat::formats {

/// A regular file, read from front to back unless one seeks. Every Error begins with the file's name.
class InputFile {
 public:
  explicit InputFile(const std::filesystem::path& file);

  uint64_t size() const { return size_; }
  uint64_t remaining() const { return size_ - position_; }
  void read(void* target, size_t bytes);
  void skip(uint64_t bytes);
  /// Goes on at that byte, which the file has.
  void seek(uint64_t position);
  /// The next so many bytes; no more than remaining() is ever allocated.
  std::string read_text(size_t bytes);

  template <class... Args>
  [[noreturn]] void fail(const Args&... args) const {
    pleat::fail(name_, ": ", args...);
  }

 private:
  std::string name_;
  std::ifstream stream_;
  uint64_t size_ = 0, position_ = 0;
};

/// The whole of a file.
std::string read_text_file(const std::filesystem::path& file);

/// More dimensions than NumPy or any network has.
inline constexpr size_t kMaxRank = 64;

/// Bytes of a tensor of a shape as a file gives it. Error (with `where` before it) where the rank is above
/// kMaxRank, or the dimensions that are not zero multiply to more than 2^63 - 1 bytes.
uint64_t checked_bytes(const std::string& where, std::span<const uint64_t> dims, DType dtype);
/// The same dimensions as a Shape, after checked_bytes.
Shape to_shape(std::span<const uint64_t> dims);
/// Error where an element of a boolean tensor, just read, is neither 0 nor 1.
void check_booleans(const std::string& where, const Tensor& tensor);

}  // namespace pleat::formats
