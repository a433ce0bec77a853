#include "formats/input_file.hpp"

#include <cerrno>
#include <cstring>
#include <limits>

namespace pleat::formats {

namespace fs = std::filesystem;

InputFile::InputFile(const fs::path& file) : name_(file.string()) {
  std::error_code error;
  const fs::file_status status = fs::status(file, error);
  if (!fs::exists(status))
    fail(error && error != std::errc::no_such_file_or_directory ? concat("cannot open: ", error.message())
                                                                : "no such file");
  if (!fs::is_regular_file(status)) fail("not a regular file");
  size_ = fs::file_size(file, error);
  if (error) fail("cannot read its size: ", error.message());
  errno = 0;
  stream_.open(file, std::ios::binary);
  if (!stream_) fail("cannot open: ", std::strerror(errno));
}

void InputFile::read(void* target, size_t bytes) {
  if (bytes > remaining()) {
    fail("truncated: ", bytes, " bytes needed at ", position_, " of ", size_);
  }
  if (bytes == 0) return;
  stream_.read(static_cast<char*>(target), static_cast<std::streamsize>(bytes));
  if (stream_.gcount() != static_cast<std::streamsize>(bytes)) fail("cannot read at byte ", position_);
  position_ += bytes;
}

void InputFile::skip(uint64_t bytes) {
  if (bytes > remaining()) fail("truncated: ", bytes, " bytes to skip at ", position_, " of ", size_);
  seek(position_ + bytes);
}

void InputFile::seek(uint64_t position) {
  position_ = position;
  stream_.clear();
  stream_.seekg(static_cast<std::streamoff>(position_));
}

std::string InputFile::read_text(size_t bytes) {
  if (bytes > remaining()) fail("truncated: ", bytes, " bytes needed at ", position_, " of ", size_);
  std::string text(bytes, '\0');
  read(text.data(), bytes);
  return text;
}

std::string read_text_file(const fs::path& file) {
  InputFile in(file);
  return in.read_text(in.size());
}

uint64_t checked_bytes(const std::string& where, std::span<const uint64_t> dims, DType dtype) {
  if (dims.size() > kMaxRank) {
    fail(where, ": ", dims.size(), " dimensions, at most ", kMaxRank, " are supported");
  }
  uint64_t left = static_cast<uint64_t>(std::numeric_limits<int64_t>::max()) / size_of(dtype);
  uint64_t numel = 1;
  bool empty = false;
  for (const uint64_t dim : dims) {
    if (dim == 0) {
      empty = true;
      continue;
    }
    // Zeros do not excuse the others: Shape multiplies them from the left.
    if (dim > left) fail(where, ": the product of its dimensions is too large");
    left /= dim;
    numel *= dim;
  }
  return empty ? 0 : numel * size_of(dtype);
}

Shape to_shape(std::span<const uint64_t> dims) {
  return Shape(std::vector<int64_t>(dims.begin(), dims.end()));
}

void check_booleans(const std::string& where, const Tensor& tensor) {
  if (tensor.dtype() != DType::boolean) return;
  const auto* bytes = static_cast<const unsigned char*>(tensor.raw());
  for (int64_t i = 0; i < tensor.numel(); ++i) {
    if (bytes[i] > 1) fail(where, ": boolean element ", i, " is ", int{bytes[i]}, ", not 0 or 1");
  }
}

}  // namespace pleat::formats
