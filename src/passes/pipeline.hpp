#pragma once

#include "graph/graph_data.hpp"
#include "passes/pass.hpp"

namespace pleat {

// The two graph modes: two pass pipelines over one graph, which neither changes. Both give a copy that shares
// its tensors.

/// Batch statistics, dropout on, batch normalization fused with the Add and ReLU after it. Differentiate this
/// one.
GraphData training_graph(const GraphData& graph, PassContext& context);

/// Running statistics, dropout gone, parameters constant; with `fold`, batch normalization folded into the
/// layer before it and activations and additions fused into the steps before them. The report in `context`
/// tells what folded.
GraphData inference_graph(const GraphData& graph, bool fold, PassContext& context);

}  // namespace pleat
