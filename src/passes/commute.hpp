#pragma once

#include <string>
#include <utility>
#include <vector>

#include "graph/graph_data.hpp"
#include "passes/affine.hpp"

namespace pleat {

/// What an affine becomes on the other side of a node, or why it cannot go there.
struct Passage {
  std::string refusal = {};
  /// By input (going up) or output (going down) of the node, each at most once; the rest need nothing.
  std::vector<std::pair<size_t, Affine>> parts = {};
  /// The constant that a Pad must use from then on.
  std::optional<double> pad_value = {};
};

/// A(f(x...)) = f(A_i(x_i)...), A on the node's `output`-th result.
Passage move_up(const GraphData& graph, const Node& node, size_t output, const Affine& affine);
/// f(A(x), ...) = A_i(f(x, ...)), A on the node's `input`-th input.
Passage move_down(const GraphData& graph, const Node& node, size_t input, const Affine& affine);

/// Carries out a passage's change of the node itself.
void apply_passage(GraphData& graph, Node& node, const Passage& passage);

/// Whether the node adds two values of one shape, broadcasting nothing.
bool is_sum(const GraphData& graph, const Node& node);

// The rule for ops that only move elements, see move_elements.cpp.
Passage move_up_elements(const GraphData& graph, const Node& node, size_t output, const Affine& affine);
Passage move_down_elements(const GraphData& graph, const Node& node, size_t input, const Affine& affine);

}  // namespace pleat
