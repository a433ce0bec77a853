#pragma once

#include <chrono>
#include <vector>

#include "plan/plan.hpp"
#include "pleat/profile.hpp"

namespace pleat {

/// Notes when the steps of a plan begin and end. Takes all its memory when made: to note allocates nothing.
/// Steps may be noted from several threads at once, each step from one. Where a batch runs in pieces, a
/// step's time is that of all of them.
class Profiler {
 public:
  /// For that many runs of the plan. Error where it is less than one.
  Profiler(const Plan& plan, int runs);

  void run_begins();
  void run_ends();
  void step_begins(int step);
  void step_ends(int step);

  /// The runs that have ended.
  Profile profile() const;

 private:
  using Clock = std::chrono::steady_clock;
  double us_since_start() const;
  StepTime& time_of(int step) { return profile_.steps[static_cast<size_t>(step)].times[run_]; }

  Profile profile_;
  std::vector<double> begins_us_;  ///< of each step, in the present piece of the batch
  size_t run_ = 0;                 ///< the present one
  Clock::time_point start_;
};

}  // namespace pleat
