#pragma once

// A fuzz target gives one reader files of any content. The reader gives back what it read or throws Error;
// anything else is a fault: another exception, a crash, a hang, memory that the file's size does not justify.

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <span>

#include "pleat/error.hpp"

namespace pleat::test {

/// A file in memory only, with a path that readers can open.
class MemoryFile {
 public:
  MemoryFile() : descriptor_(::memfd_create("fuzz", MFD_CLOEXEC)) {
    if (descriptor_ < 0) std::abort();
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(descriptor_); }

  /// The path of the file, which now holds these bytes.
  std::filesystem::path holding(std::span<const uint8_t> bytes) {
    const auto size = static_cast<ssize_t>(bytes.size());
    if (::ftruncate(descriptor_, 0) != 0 || ::pwrite(descriptor_, bytes.data(), bytes.size(), 0) != size) {
      std::abort();
    }
    return "/proc/self/fd/" + std::to_string(descriptor_);
  }

 private:
  int descriptor_;
};

/// The body of LLVMFuzzerTestOneInput for a reader of one file.
template <class Read>
int fuzz_reader(const uint8_t* data, size_t size, const Read& read) {
  static MemoryFile file;
  try {
    read(file.holding({data, size}));
  } catch (const Error&) {
  }
  return 0;
}

}  // namespace pleat::test
