#pragma once

#include "passes/commute.hpp"
#include "passes/pass.hpp"

namespace pleat {

/// Where an affine goes, gathered before anything is changed.
struct Placement {
  std::vector<std::pair<NodeId, Affine>> absorbed;  ///< linear layers and ScaleShifts that take a part
  std::vector<std::pair<NodeId, Passage>> passed;   ///< what lies between
  std::string refusal;                              ///< why it cannot go anywhere

  bool refuse(std::string reason) {
    refusal = std::move(reason);
    return false;
  }
};

/// Makes the entry say which layers took the affine, what it was moved through, and by which rule.
void report_folded(FoldEntry& entry, const GraphData& graph, const Placement& placement,
                   std::string_view rule);

/// A value's name tells one quantity: those that an affine changed on its way lose theirs, which files and
/// comparisons go by.
template <class Part>
void rename_changed(GraphData& graph, const std::vector<std::pair<NodeId, Part>>& parts) {
  for (const auto& [id, part] : parts) {
    for (ValueId output : graph.node(id).outputs) graph.value(output).name += ".folded";
  }
}

}  // namespace pleat
