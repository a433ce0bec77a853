#pragma once

#include "graph/graph_data.hpp"

namespace pleat {

/// Less memory for one more pass over it: what BatchNorm gave, with the sum and activation fused into it, is
/// not kept for the backward nodes (those from `first_backward` on) but made again for them, of what is kept
/// all the same. The idea is that of Chen et al. 2016, "Training deep nets with sublinear memory cost".
void recompute(GraphData& graph, NodeId first_backward);

}  // namespace pleat
