#pragma once

#include <ostream>

#include "output.hpp"
#include "pleat/profile.hpp"

namespace pleat::tools {

/// What the machine can do at most, with as many threads as were profiled.
struct Machine {
  double flops, bytes_per_s;
};
Machine measure_machine(int threads);

/// One line a step in execution order, the total, and a summary by op.
void print_profile(std::ostream& out, const Profile& profile, const Machine& machine);
/// The same as an array `steps`, with the run as a whole and the machine, added to `result`.
void add_profile(Json& result, const Profile& profile, const Machine& machine);
/// The run of median time in Chrome's trace event format: a complete event a step.
Json trace_events(const Profile& profile);

}  // namespace pleat::tools
