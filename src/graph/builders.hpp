#pragma once

#include "graph/graph_data.hpp"
#include "pleat/layers.hpp"

namespace pleat {

/// Adds a public layer: its parameters and states under PyTorch's names, with PyTorch's initialization, and
/// its node.
ValueId add_layer(GraphData& graph, const std::string& name, const Layer& layer,
                  const std::vector<ValueId>& inputs);

/// The layer's kind in lower case ("batchnorm2d"), from which unnamed layers get their names.
std::string_view kind_of(const Layer& layer);

}  // namespace pleat
