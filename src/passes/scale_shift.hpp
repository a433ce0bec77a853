#pragma once

#include "graph/graph_data.hpp"
#include "passes/pass.hpp"

namespace pleat {

// ScaleShift's inputs by position.
namespace scale_shift {
inline constexpr size_t kX = 0, kCenter = 1, kScale = 2, kShift = 3, kResidual = 4;
}

/// The ScaleShift if the node is one with nothing fused after it.
const ops::ScaleShift* plain_scale_shift(const Node& node);

/// The report's line of that layer, or nullptr where the node was no layer of the user's.
FoldEntry* find_entry(PassContext& context, const std::string& layer);

}  // namespace pleat
