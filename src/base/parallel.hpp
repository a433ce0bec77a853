#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace pleat {

/// A reference to a callable: what std::function is, without owning or allocating.
template <class Signature>
class FunctionRef;
template <class R, class... Args>
class FunctionRef<R(Args...)> {
 public:
  template <class F>
  requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef>)
      FunctionRef(F&& f)  // NOLINT: implicit, so that a lambda can be passed
      : object_(const_cast<void*>(static_cast<const void*>(&f))), call_([](void* object, Args... args) -> R {
          return (*static_cast<std::remove_reference_t<F>*>(object))(args...);
        }) {}
  R operator()(Args... args) const { return call_(object_, args...); }

 private:
  void* object_;
  R (*call_)(void*, Args...);
};

/// Elementary operations (about 1 ns each) below which a task is not worth its cost.
inline constexpr int64_t kTaskWork = 16384;

/// Elements of a task that only moves or adds them, some in each instruction.
inline constexpr int64_t kTaskElements = 4 * kTaskWork;

/// How many items make a task, where one item costs `work_per_item` elementary operations.
constexpr int64_t grain_for(int64_t work_per_item) {
  return work_per_item >= kTaskWork ? 1 : kTaskWork / (work_per_item < 1 ? 1 : work_per_item);
}

/// Calls body(begin, end) over parts of [0, n) that together cover it, in parallel; parts are no smaller than
/// `grain` but for the last. One part: inline on the caller. How [0, n) is cut depends on the threads, so the
/// body must give the same bits however it is cut: what is summed across items goes through fixed chunks,
/// merged in a fixed order afterwards.
void parallel_for(int64_t n, int64_t grain, FunctionRef<void(int64_t begin, int64_t end)> body);

/// Threads that can work at once in the current arena, and the caller's index among them: [0, max_workers()).
int max_workers();
int worker_index();

/// A pool of `threads` workers of its own. 0: the caller's arena, whatever it is.
class Arena {
 public:
  explicit Arena(int threads = 0);
  Arena(Arena&&) noexcept;
  Arena& operator=(Arena&&) noexcept;
  ~Arena();
  void execute(FunctionRef<void()> body);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pleat
