#include "base/zeroed_memory.hpp"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <new>
#include <tuple>
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

constexpr std::align_val_t kLine{64};

#if PLEAT_MAPS_PAGES
namespace {

// The largest page of any system: what is given back has to be whole pages.
constexpr size_t kPage = 64 << 10;
constexpr size_t kLarge = 256 << 10, kHugePage = 2 << 20;
// Pieces that are too small for huge pages of their own lie side by side in mappings of this size: a fault
// for every 4 KiB would cost more than all else that is done to a weight that is read.
constexpr size_t kShared = 32 << 20;

constexpr size_t round_up(size_t bytes, size_t unit) {
  return (bytes + unit - 1) / unit * unit;
}

}  // namespace

// A mapping that begins at a huge page's boundary.
class MappedPages {
 public:
  explicit MappedPages(size_t bytes) : bytes_(bytes) {
    void* const mapped =
        mmap(nullptr, bytes + kHugePage, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapped == MAP_FAILED) throw std::bad_alloc();
    // What is mapped around it is given back.
    auto* const first = static_cast<std::byte*>(mapped);
    const auto address = reinterpret_cast<uintptr_t>(first);
    const size_t before = round_up(address, kHugePage) - address;
    data_ = first + before;
    if (before > 0) munmap(first, before);
    if (before < kHugePage) munmap(data_ + bytes, kHugePage - before);
    madvise(data_, bytes, MADV_HUGEPAGE);  // or small ones, where it is refused
  }
  MappedPages(const MappedPages&) = delete;
  MappedPages& operator=(const MappedPages&) = delete;
  ~MappedPages() { munmap(data_, bytes_); }

  std::byte* data() const { return data_; }
  size_t bytes() const { return bytes_; }

 private:
  std::byte* data_;
  size_t bytes_;
};

namespace {

// Hands out a mapping from front to back, then begins another: nothing is handed out twice, so it is zero.
class SharedPages {
 public:
  std::pair<std::shared_ptr<MappedPages>, std::byte*> take(size_t bytes) {
    const std::lock_guard lock(mutex_);
    if (!pages_ || pages_->bytes() - taken_ < bytes) {
      pages_ = std::make_shared<MappedPages>(kShared);
      taken_ = 0;
    }
    return {pages_, pages_->data() + std::exchange(taken_, taken_ + bytes)};
  }

 private:
  std::mutex mutex_;
  std::shared_ptr<MappedPages> pages_;
  size_t taken_ = 0;
};

SharedPages& shared_pages() {
  static SharedPages& pages = *new SharedPages;  // outlives every static that allocates
  return pages;
}

}  // namespace
#else
class MappedPages {};
#endif

ZeroedMemory::ZeroedMemory(size_t bytes) {
#if PLEAT_MAPS_PAGES
  if (bytes >= kLarge) {
    mapped_ = round_up(bytes, kPage);
    if (bytes >= 2 * kHugePage) {
      pages_ = std::make_shared<MappedPages>(mapped_);
      data_ = pages_->data();
    } else {
      std::tie(pages_, data_) = shared_pages().take(mapped_);
    }
    return;
  }
#endif
  data_ = static_cast<std::byte*>(::operator new(std::max<size_t>(bytes, 1), kLine));
  std::memset(data_, 0, bytes);
}

ZeroedMemory::ZeroedMemory(ZeroedMemory&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      mapped_(std::exchange(other.mapped_, 0)),
      pages_(std::move(other.pages_)) {}

ZeroedMemory& ZeroedMemory::operator=(ZeroedMemory&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(mapped_, other.mapped_);
  std::swap(pages_, other.pages_);
  return *this;
}

ZeroedMemory::~ZeroedMemory() {
#if PLEAT_MAPS_PAGES
  if (pages_) {
    // Others may be in the same mapping still.
    if (mapped_ < pages_->bytes()) madvise(data_, mapped_, MADV_DONTNEED);
    return;
  }
#endif
  if (data_ != nullptr) ::operator delete(data_, kLine);
}

}  // namespace pleat
