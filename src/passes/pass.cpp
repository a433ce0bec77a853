#include "passes/pass.hpp"

#include <algorithm>

#include "graph/edit.hpp"

namespace pleat {

void run_passes(GraphData& graph, std::span<const Pass> passes, PassContext& context) {
  using Clock = std::chrono::steady_clock;
  for (const Pass& pass : passes) {
    if (std::find(context.disabled.begin(), context.disabled.end(), pass.name) != context.disabled.end())
      continue;
    const auto start = Clock::now();
    pass.run(graph, context);
    tidy(graph);
    context.timings.push_back({pass.name, Clock::now() - start});
    verify(graph, pass.name);
  }
}

}  // namespace pleat
