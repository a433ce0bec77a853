#pragma once

#include <vector>

#include "base/parallel.hpp"
#include "base/zeroed_memory.hpp"
#include "plan/plan.hpp"

namespace pleat {

/// For each buffer how many steps pack it, where no run reads it; else 0.
std::vector<int> count_packers(const Plan& plan);

/// Packs the constant weights of all steps into one memory, in parallel, and tells each step's arguments
/// where its own is. A weight that only packing reads is in memory no longer than that: a deferred one is
/// read for it, and the last step of `packers` lets it go.
ZeroedMemory pack_weights(Plan& plan, std::vector<int> packers,
                          FunctionRef<RunArguments*(size_t step)> arguments_of);

}  // namespace pleat
