#pragma once

#include "graph/graph_data.hpp"
#include "passes/pass.hpp"

namespace pleat {

// The two graph modes: two pass pipelines over one graph, which neither changes. Both give a copy that shares
// its tensors.

/// Batch statistics, dropout on, batch normalization fused with the Add and ReLU after it. Differentiate this
/// one.
GraphData training_graph(const GraphData& graph, PassContext& context);

/// Running statistics, dropout gone, parameters constant, batch normalization and other affines folded into
/// the layers around them: ordinary layers with f32 weights, nothing fused. The report in `context` tells
/// what folded where.
GraphData folded_graph(const GraphData& graph, PassContext& context);

/// For running: with `fold`, the folded graph with activations and additions fused into the steps before
/// them, and images channels last between convolutions; else no more than running statistics, dropout gone
/// and parameters constant.
GraphData inference_graph(const GraphData& graph, bool fold, PassContext& context);

}  // namespace pleat
