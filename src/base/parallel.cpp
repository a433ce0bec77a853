#include "base/parallel.hpp"

#include <tbb/blocked_range.h>
#include <tbb/global_control.h>
#include <tbb/parallel_for.h>
#include <tbb/task_arena.h>

#include <algorithm>

#include "base/cpu.hpp"

namespace pleat {

void parallel_for(int64_t n, int64_t grain, FunctionRef<void(int64_t, int64_t)> body) {
  if (n <= 0) return;
  if (n <= grain || max_workers() == 1) {
    body(0, n);
    return;
  }
  tbb::parallel_for(tbb::blocked_range<int64_t>(0, n, static_cast<size_t>(grain)),
                    [&](const tbb::blocked_range<int64_t>& range) { body(range.begin(), range.end()); });
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
  if (impl_) {
    impl_->arena.execute([&] { body(); });
  } else {
    body();
  }
}

}  // namespace pleat
