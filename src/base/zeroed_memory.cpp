#include "base/zeroed_memory.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <new>
#include <utility>

// Sanitizers watch over operator new's memory, not over pages.
#if !defined(__linux__) || defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PLEAT_MAPS_PAGES 0
#elif defined(__has_feature)
#define PLEAT_MAPS_PAGES (!__has_feature(address_sanitizer) && !__has_feature(thread_sanitizer))
#else
#define PLEAT_MAPS_PAGES 1
#endif

#if PLEAT_MAPS_PAGES
#include <sys/mman.h>
#endif

namespace pleat {
namespace {

constexpr std::align_val_t kLine{64};

#if PLEAT_MAPS_PAGES
constexpr size_t kLarge = 256 << 10, kPage = 4096, kHugePage = 2 << 20;

constexpr size_t round_up(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

// Huge pages begin at multiples of their size: what is mapped around these is given back.
std::byte* map_pages(size_t bytes) {
  const size_t spare = bytes >= 2 * kHugePage ? kHugePage : 0;
  void* const mapped =
      mmap(nullptr, bytes + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapped == MAP_FAILED) throw std::bad_alloc();
  auto* const first = static_cast<std::byte*>(mapped);
  if (spare == 0) return first;
  const auto address = reinterpret_cast<uintptr_t>(first);
  const size_t before = round_up(address, kHugePage) - address;
  if (before > 0) munmap(first, before);
  if (before < spare) munmap(first + before + bytes, spare - before);
  madvise(first + before, bytes, MADV_HUGEPAGE);  // or small ones, where it is refused
  return first + before;
}
#endif

}  // namespace

ZeroedMemory::ZeroedMemory(size_t bytes) {
#if PLEAT_MAPS_PAGES
  if (bytes >= kLarge) {
    mapped_ = round_up(bytes, kPage);
    data_ = map_pages(mapped_);
    return;
  }
#endif
  data_ = static_cast<std::byte*>(::operator new(std::max<size_t>(bytes, 1), kLine));
  std::memset(data_, 0, bytes);
}

ZeroedMemory::ZeroedMemory(ZeroedMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), mapped_(std::exchange(other.mapped_, 0)) {}

ZeroedMemory& ZeroedMemory::operator=(ZeroedMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

ZeroedMemory::~ZeroedMemory() {
#if PLEAT_MAPS_PAGES
  if (mapped_ > 0) {
    munmap(data_, mapped_);
    return;
  }
#endif
  if (data_ != nullptr) ::operator delete(data_, kLine);
}

}  // namespace pleat
