#pragma once

#include "graph/graph_data.hpp"
#include "passes/affine.hpp"
#include "passes/pass.hpp"

namespace pleat {

// ScaleShift's inputs by position.
namespace scale_shift {
inline constexpr size_t kX = 0, kCenter = 1, kScale = 2, kShift = 3, kResidual = 4;
}

/// The ScaleShift if the node is one with nothing fused after it.
const ops::ScaleShift* plain_scale_shift(const Node& node);

/// What a plain ScaleShift does.
Affine affine_of(const GraphData& graph, const Node& node);
/// Makes a plain ScaleShift do that: one entry a channel. Kept in f64 until round_scale_shift.
void set_affine(GraphData& graph, Node& node, const Affine& channels);

/// The report's line of that layer, or nullptr where the node was no layer of the user's.
FoldEntry* find_entry(PassContext& context, const std::string& layer);
/// Whether the caller wants the layer left as a step of its own.
bool is_kept(const PassContext& context, const std::string& layer);

}  // namespace pleat
