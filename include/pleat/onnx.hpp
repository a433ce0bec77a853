#pragma once

#include <filesystem>

#include "pleat/graph.hpp"

namespace pleat {

struct OnnxOptions {
  int opset = 17;              ///< 13 to 17
  bool external_data = false;  ///< weights in a file of their own beside it, FILE.data; so always above 2 GB
};

/// Writes the graph as an ONNX model, whole or not at all (temporary file, then rename): batch normalization
/// and dropout as in inference, weights under their own names. Of a model: Model::graph(), or
/// Model::inference_graph() for the folded form. Error names the node that has no ONNX form: losses,
/// gradients, updates.
void write_onnx(const std::filesystem::path& file, const Graph& graph, const OnnxOptions& options = {});

}  // namespace pleat
