#pragma once

#include "graph/graph_data.hpp"

namespace pleat {

/// The same graph in double precision: every f32 input, parameter, state and constant becomes f64,
/// every computed value follows. Planned and run, it is the reference that float results are judged by.
GraphData to_double(const GraphData& graph);

}  // namespace pleat
