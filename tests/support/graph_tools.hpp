#pragma once

#include <algorithm>
#include <string>
#include <variant>
#include <vector>

#include "graph/edit.hpp"

namespace pleat::test {

/// Nodes of one op.
template <class Op>
int count(const GraphData& graph) {
  return static_cast<int>(std::ranges::count_if(
      graph.nodes, [](const Node& node) { return std::holds_alternative<Op>(node.attributes); }));
}

/// A constant list of whole numbers: a shape, axes.
inline ValueId add_integers(GraphData& graph, std::string name, const std::vector<int64_t>& values) {
  return add_constant(graph, std::move(name), Tensor::from({static_cast<int64_t>(values.size())}, values));
}

}  // namespace pleat::test
