#pragma once

#include <filesystem>

#include "pleat/graph.hpp"

namespace pleat {

/// Reads an ONNX model (operator sets 1 to 26) into a graph that runs, folds and trains like a built one.
/// Weights become parameters and batch normalizations' statistics become states, under their ONNX names;
/// everything else known is a constant. Dimensions that the file leaves open are kDynamic. Error names the
/// file, the node, its operator and the fault: whatever Pleat does not have (an operator, an attribute's
/// value, an element type other than FLOAT, INT64, INT32 and BOOL) is refused. Large weights, and floats in
/// files beside the model, are read when they are first needed (Tensor::deferred): their file stays open
/// until then, and may be replaced or removed, but not changed in place.
Graph read_onnx(const std::filesystem::path& file);

/// Reads a TensorProto from a file of its own (.pb), as ONNX's test data are; floats in another file are
/// deferred.
Tensor read_onnx_tensor(const std::filesystem::path& file);

struct OnnxOptions {
  int opset = 17;              ///< 13 to 17
  bool external_data = false;  ///< weights in a file of their own beside it, FILE.data; so always above 2 GB
};

/// Writes the graph as an ONNX model, whole or not at all (temporary file, then rename): batch normalization
/// and dropout as in inference, weights under their own names. fold() gives the graph to write without batch
/// normalization. Error names the node that has no ONNX form: losses, gradients, updates.
void write_onnx(const std::filesystem::path& file, const Graph& graph, const OnnxOptions& options = {});

}  // namespace pleat
