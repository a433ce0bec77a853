#pragma once

#include "graph/graph_data.hpp"

namespace pleat {

/// Whether every input and output has the batch as its first dimension, open in the graph, and each item's
/// results depend on that item alone: then a batch may run piece by piece. False where an op is not known to
/// be so.
bool is_independent_in_batch(const GraphData& graph);

}  // namespace pleat
