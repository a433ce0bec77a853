#pragma once

#include <span>
#include <vector>

#include "graph/graph_data.hpp"

namespace pleat {

/// A constant's values in double.
std::vector<double> constant_values(const GraphData& graph, ValueId constant);
/// A constant of those values: f64 while passes still compute with it, f32 when it is final.
ValueId add_vector(GraphData& graph, std::string name, std::span<const double> values, DType dtype);

bool is_constant(const GraphData& graph, ValueId value);

}  // namespace pleat
