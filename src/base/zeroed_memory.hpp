#pragma once

#include <cstddef>
#include <memory>

namespace pleat {

class MappedPages;

/// Zeroed memory at a cache line's boundary. A large piece is whole pages from the system: zero without being
/// written, huge ones where it allows, given back when it is freed. Throws std::bad_alloc.
class ZeroedMemory {
 public:
  ZeroedMemory() = default;
  explicit ZeroedMemory(size_t bytes);
  ZeroedMemory(ZeroedMemory&& other) noexcept;
  ZeroedMemory& operator=(ZeroedMemory&& other) noexcept;
  ~ZeroedMemory();

  std::byte* data() const { return data_; }

 private:
  std::byte* data_ = nullptr;
  size_t mapped_ = 0;                   // bytes of whole pages; 0: from operator new
  std::shared_ptr<MappedPages> pages_;  // which data_ lies in
};

}  // namespace pleat
