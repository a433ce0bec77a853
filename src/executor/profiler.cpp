#include "executor/profiler.hpp"

#include "base/format.hpp"
#include "base/parallel.hpp"

namespace pleat {

Profiler::Profiler(const Plan& plan, int runs) {
  if (runs < 1) fail("profile: runs must be at least 1, got ", runs);
  const auto shapes = [&](const std::vector<int>& ids) {
    std::vector<Shape> found;
    for (int id : ids) {
      if (id >= 0) found.push_back(plan.buffers[static_cast<size_t>(id)].type.shape);
    }
    return found;
  };
  for (const Step& step : plan.steps) {
    profile_.steps.push_back({.name = step.name,
                              .op = std::string(step.op->name),
                              .inputs = shapes(step.inputs),
                              .outputs = shapes(step.outputs),
                              .multiply_adds = step.multiply_adds * plan.pieces,
                              .bytes = step.bytes * plan.pieces,
                              .times = std::vector<StepTime>(static_cast<size_t>(runs))});
  }
  profile_.run_us.resize(static_cast<size_t>(runs));
  begins_us_.resize(plan.steps.size());
}

void Profiler::run_begins() {
  profile_.threads = max_workers();
  start_ = Clock::now();
}

void Profiler::run_ends() {
  profile_.run_us[run_++] = us_since_start();
}

void Profiler::step_begins(int step) {
  StepTime& time = time_of(step);
  time.thread = worker_index();
  const double now = begins_us_[static_cast<size_t>(step)] = us_since_start();
  if (time.duration_us == 0) time.start_us = now;
}

void Profiler::step_ends(int step) {
  StepTime& time = time_of(step);
  time.duration_us += us_since_start() - begins_us_[static_cast<size_t>(step)];
}

Profile Profiler::profile() const {
  Profile done = profile_;
  done.run_us.resize(run_);
  for (StepProfile& step : done.steps) step.times.resize(run_);
  return done;
}

double Profiler::us_since_start() const {
  return std::chrono::duration<double, std::micro>(Clock::now() - start_).count();
}

}  // namespace pleat
