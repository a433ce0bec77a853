#include "base/parallel.hpp"

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>

#if defined(PLEAT_TELL_TSAN)
extern "C" void __tsan_acquire(void* tag);
extern "C" void __tsan_release(void* tag);
#endif

namespace pleat {
namespace {

// oneTBB's own code is not instrumented, so TSan is told what a loop orders: its start before every part,
// each part before its end; and parts of one worker one after another, as its place in the arena, and its
// memory with it, passes from thread to thread.
#if defined(PLEAT_TELL_TSAN)
void happens_before(void* tag) {
  __tsan_release(tag);
}
void happens_after(void* tag) {
  __tsan_acquire(tag);
}
void* worker_tag() {
  static char tags[256];
  return tags + worker_index() % 256;
}
#else
void happens_before(void*) {}
void happens_after(void*) {}
void* worker_tag() {
  return nullptr;
}
#endif

}  // namespace

void parallel_for(int64_t n, int64_t grain, FunctionRef<void(int64_t, int64_t)> body) {
  if (n <= 0) return;
  if (n <= grain || max_workers() == 1) {
    body(0, n);
    return;
  }
  char start = 0, end = 0;
  happens_before(&start);
  tbb::parallel_for(tbb::blocked_range<int64_t>(0, n, static_cast<size_t>(grain)),
                    [&](const tbb::blocked_range<int64_t>& range) {
                      happens_after(&start);
                      happens_after(worker_tag());
                      body(range.begin(), range.end());
                      happens_before(worker_tag());
                      happens_before(&end);
                    });
  happens_after(&end);
}

int max_workers() {
  return tbb::this_task_arena::max_concurrency();
}

int worker_index() {
  return std::max(0, tbb::this_task_arena::current_thread_index());
}

struct Arena::Impl {
  explicit Impl(int threads)
      : limit(tbb::global_control::max_allowed_parallelism,
              std::max<size_t>(
                  static_cast<size_t>(threads),
                  tbb::global_control::active_value(tbb::global_control::max_allowed_parallelism))),
        arena(threads) {}
  tbb::global_control limit;  // lets an arena have more threads than the machine has CPUs
  tbb::task_arena arena;
};

Arena::Arena(int threads) : impl_(threads > 0 ? std::make_unique<Impl>(threads) : nullptr) {}
Arena::Arena(Arena&&) noexcept = default;
Arena& Arena::operator=(Arena&&) noexcept = default;
Arena::~Arena() = default;

void Arena::execute(FunctionRef<void()> body) {
  if (!impl_) return body();
  char start = 0, end = 0;
  happens_before(&start);
  impl_->arena.execute([&] {
    happens_after(&start);
    body();
    happens_before(&end);
  });
  happens_after(&end);
}

}  // namespace pleat
