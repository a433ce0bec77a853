#include "pleat/optim.hpp"

#include <doctest/doctest.h>

#include <vector>

#include "pleat/error.hpp"

using namespace pleat;

namespace {

std::vector<double> factors(const Schedule& schedule, int64_t total_steps, int64_t steps_per_epoch) {
  std::vector<double> result;
  for (int64_t step = 0; step < total_steps; ++step) {
    result.push_back(schedule.factor(step, total_steps, steps_per_epoch));
  }
  return result;
}

void check_close(const std::vector<double>& got, const std::vector<double>& expected) {
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) {
    CAPTURE(i);
    CHECK(got[i] == doctest::Approx(expected[i]).epsilon(1e-9));
  }
}

}  // namespace

TEST_CASE("constant schedule") {
  check_close(factors({}, 3, 1), {1, 1, 1});
}

TEST_CASE("step schedule drops after so many epochs") {
  const Schedule schedule = {.kind = ScheduleKind::step, .step_epochs = 2, .gamma = 0.5};
  check_close(factors(schedule, 10, 2), {1, 1, 1, 1, 0.5, 0.5, 0.5, 0.5, 0.25, 0.25});
}

TEST_CASE("cosine schedule") {
  const double half = 0.5 * (1 + 0.70710678118654752);
  check_close(factors({.kind = ScheduleKind::cosine}, 4, 2), {1, half, 0.5, 1 - half});
}

TEST_CASE("one-cycle schedule is PyTorch's") {
  // OneCycleLR(max_lr=1, total_steps=10, pct_start=0.3): rises over steps 0 to 2, falls over 2 to 9.
  const std::vector<double> pytorch = {0.04,
                                       0.52,
                                       1.0,
                                       0.9504846320134737,
                                       0.8117456539497631,
                                       0.6112620219362893,
                                       0.38874197806371064,
                                       0.18825834605023683,
                                       0.04951936798652629,
                                       4e-06};
  check_close(factors({.kind = ScheduleKind::one_cycle}, 10, 5), pytorch);
}

TEST_CASE("one-cycle schedules that are too short to rise") {
  check_close(factors({.kind = ScheduleKind::one_cycle, .pct_start = 0.25}, 4, 4),
              {1, 0.7500010, 0.250003, 4e-06});
  check_close(factors({.kind = ScheduleKind::one_cycle}, 1, 1), {4e-06});
}

TEST_CASE("warm-up rises before the rest") {
  check_close(factors({.warmup_epochs = 2}, 6, 2), {0.25, 0.5, 0.75, 1, 1, 1});
  check_close(factors({.kind = ScheduleKind::cosine, .warmup_epochs = 1}, 6, 2),
              {0.5, 1, 1, 0.5 * (1 + 0.70710678118654752), 0.5, 0.5 * (1 - 0.70710678118654752)});
}

TEST_CASE("schedules that cannot be") {
  CHECK_THROWS_WITH_AS(Schedule{}.factor(3, 3, 1), "schedule: there is no step 3 of 3 with 1 an epoch",
                       Error);
  CHECK_THROWS_AS(Schedule{}.factor(-1, 3, 1), Error);
  CHECK_THROWS_AS((Schedule{.kind = ScheduleKind::step, .step_epochs = 0}.factor(0, 3, 1)), Error);
  CHECK_THROWS_AS((Schedule{.kind = ScheduleKind::one_cycle, .pct_start = 1}.factor(0, 3, 1)), Error);
  CHECK_THROWS_AS((Schedule{.kind = ScheduleKind::one_cycle, .warmup_epochs = 1}.factor(0, 3, 1)), Error);
  CHECK_THROWS_WITH_AS(Schedule{.warmup_epochs = 3}.factor(0, 3, 1),
                       "schedule: a warm-up of 3 epochs leaves nothing of 3", Error);
}

TEST_CASE("schedules by name") {
  CHECK(schedule_kind("constant") == ScheduleKind::constant);
  CHECK(schedule_kind("step") == ScheduleKind::step);
  CHECK(schedule_kind("cosine") == ScheduleKind::cosine);
  CHECK(schedule_kind("one_cycle") == ScheduleKind::one_cycle);
  CHECK(schedule_kind("onecycle") == ScheduleKind::one_cycle);
  CHECK_THROWS_WITH_AS(schedule_kind("linear"),
                       "there is no schedule 'linear'; there are: constant, step, cosine, one_cycle", Error);
}
