#pragma once

#include <nlohmann/json.hpp>

#include "graph/graph_data.hpp"

namespace pleat {

/// How the BatchNorm layers train that do not train as PyTorch's, by name.
nlohmann::ordered_json batch_norm_options_json(const GraphData& graph);

}  // namespace pleat
