#include "pleat/optim.hpp"

#include <cmath>
#include <numbers>

#include "base/format.hpp"

namespace pleat {
namespace {

// From `start` to `end` along half a cosine as `share` goes from 0 to 1.
double anneal(double start, double end, double share) {
  return end + (start - end) / 2 * (1 + std::cos(std::numbers::pi * share));
}

double one_cycle(const Schedule& schedule, int64_t step, int64_t total_steps) {
  const double first = 1 / schedule.div_factor, last = first / schedule.final_div_factor;
  const double peak = schedule.pct_start * static_cast<double>(total_steps) - 1;
  const double at = static_cast<double>(step), end = static_cast<double>(total_steps) - 1;
  if (at <= peak) return peak > 0 ? anneal(first, 1, at / peak) : 1;
  return anneal(1, last, (at - peak) / (end - peak));
}

void check(const Schedule& schedule, int64_t step, int64_t total_steps, int64_t steps_per_epoch) {
  const auto need = [](bool holds, const auto&... text) {
    if (!holds) fail("schedule: ", text...);
  };
  need(steps_per_epoch > 0 && step >= 0 && step < total_steps, "there is no step ", step, " of ", total_steps,
       " with ", steps_per_epoch, " an epoch");
  need(schedule.step_epochs > 0, "step_epochs must be positive, got ", schedule.step_epochs);
  need(schedule.gamma > 0 && std::isfinite(schedule.gamma), "gamma must be positive, got ", schedule.gamma);
  need(schedule.pct_start > 0 && schedule.pct_start < 1, "pct_start must be in (0, 1), got ",
       schedule.pct_start);
  need(schedule.div_factor > 0 && schedule.final_div_factor > 0,
       "div_factor and final_div_factor must be positive, got ", schedule.div_factor, " and ",
       schedule.final_div_factor);
  need(schedule.warmup_epochs >= 0, "warmup_epochs must not be negative, got ", schedule.warmup_epochs);
  need(schedule.warmup_epochs == 0 || schedule.kind != ScheduleKind::one_cycle,
       "one_cycle warms up by itself: warmup_epochs must be 0");
  need(schedule.warmup_epochs * static_cast<double>(steps_per_epoch) < static_cast<double>(total_steps),
       "a warm-up of ", schedule.warmup_epochs, " epochs leaves nothing of ", total_steps / steps_per_epoch);
}

}  // namespace

double Schedule::factor(int64_t step, int64_t total_steps, int64_t steps_per_epoch) const {
  check(*this, step, total_steps, steps_per_epoch);
  const double warmup = warmup_epochs * static_cast<double>(steps_per_epoch);
  const double at = static_cast<double>(step), total = static_cast<double>(total_steps);
  if (at + 1 < warmup) return (at + 1) / warmup;
  switch (kind) {
    case ScheduleKind::constant:
      return 1;
    case ScheduleKind::step:
      return std::pow(gamma, static_cast<double>(step / steps_per_epoch / step_epochs));
    case ScheduleKind::cosine:
      return at < warmup ? 1 : anneal(1, 0, (at - warmup) / (total - warmup));
    case ScheduleKind::one_cycle:
      return one_cycle(*this, step, total_steps);
  }
  return 1;
}

ScheduleKind schedule_kind(std::string_view name) {
  if (name == "constant") return ScheduleKind::constant;
  if (name == "step") return ScheduleKind::step;
  if (name == "cosine") return ScheduleKind::cosine;
  if (name == "one_cycle" || name == "onecycle") return ScheduleKind::one_cycle;
  fail("there is no schedule '", name, "'; there are: constant, step, cosine, one_cycle");
}

}  // namespace pleat
