#include "passes/placement.hpp"

#include <algorithm>

namespace pleat {
namespace {

// "a, b": each node's name once.
template <class Part>
std::string names(const GraphData& graph, const std::vector<std::pair<NodeId, Part>>& parts) {
  std::vector<NodeId> nodes;
  std::string joined;
  for (const auto& [id, part] : parts) {
    if (std::find(nodes.begin(), nodes.end(), id) != nodes.end()) continue;
    nodes.push_back(id);
    joined += (joined.empty() ? "" : ", ") + graph.node(id).name;
  }
  return joined;
}

}  // namespace

void report_folded(FoldEntry& entry, const GraphData& graph, const Placement& placement,
                   std::string_view rule) {
  entry.folded = true;
  entry.target = names(graph, placement.absorbed);
  const std::string between = names(graph, placement.passed);
  entry.reason = between.empty() ? std::string(rule) : "moved through " + between + ", " + std::string(rule);
}

}  // namespace pleat
