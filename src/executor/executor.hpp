#pragma once

#include <memory>
#include <span>

#include "plan/plan.hpp"

namespace pleat {

class Profiler;

/// Runs a plan. Made once: allocates the arena, packs constant weights, resolves every pointer that does not
/// change. A run then allocates nothing. Runs in the calling thread's TBB arena; not to be run from two
/// threads at once.
class Executor {
 public:
  explicit Executor(Plan plan);
  Executor(Executor&&) noexcept;
  Executor& operator=(Executor&&) noexcept;
  ~Executor();

  /// Data of the inputs and outputs in the graph's order, of the planned shapes. The profiler, where there is
  /// one, is of this plan.
  void run(std::span<const void* const> inputs, std::span<void* const> outputs, Profiler* profiler = nullptr);

  const Plan& plan() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace pleat
