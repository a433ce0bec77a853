#pragma once

#include <vector>

#include "graph/graph_data.hpp"

namespace pleat {

/// Where gradients start: the gradient of the loss by `value` is `gradient`.
struct GradientSeed {
  ValueId value, gradient;
};

/// Appends the nodes of reverse-mode differentiation. Returns, for each wanted value, its gradient: kAbsent
/// where none flows.
std::vector<ValueId> differentiate(GraphData& graph, const std::vector<GradientSeed>& seeds,
                                   const std::vector<ValueId>& wanted);

}  // namespace pleat
