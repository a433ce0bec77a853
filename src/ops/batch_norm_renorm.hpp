#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>

#include "pleat/layers.hpp"

namespace pleat {

/// Batch renormalization of one step: what is left of r and d within their limits.
struct Renorm {
  double r_max = 1, d_max = 0;

  Renorm() = default;
  Renorm(const BatchRenorm& schedule, int64_t step)
      : r_max(1 + (schedule.r_max - 1) * ramp(step, schedule.ramp_begin, schedule.r_ramp_end)),
        d_max(schedule.d_max * ramp(step, schedule.ramp_begin, schedule.d_ramp_end)) {}

  double r(double sigma, double running_sigma) const {
    return std::clamp(sigma / running_sigma, 1 / r_max, r_max);
  }
  double d(double mean, double running_mean, double running_sigma) const {
    return std::clamp((mean - running_mean) / running_sigma, -d_max, d_max);
  }

 private:
  static double ramp(int64_t step, int64_t begin, int64_t end) {
    if (step >= end) return 1;
    return step <= begin ? 0 : static_cast<double>(step - begin) / static_cast<double>(end - begin);
  }
};

}  // namespace pleat
