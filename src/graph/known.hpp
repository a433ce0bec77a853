#pragma once

#include <vector>

#include "graph/graph_data.hpp"

namespace pleat {

// Shape arithmetic: values that follow from shapes and constants are computed while types are inferred, so
// that ops that take a shape as an input know it, and no such step is left to run.

/// Fills in what is known of a node's outputs, given its inputs' types.
void infer_known(const ops::Attributes& attributes, const InputTypes& in, std::vector<ValueType>& out);

/// For each of the graph's inputs, whether the shape of some value depends on its elements.
std::vector<bool> inputs_that_shape(const GraphData& graph);

}  // namespace pleat
