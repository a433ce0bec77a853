#pragma once

#include <string>

#include "formats/onnx/external_data.hpp"

namespace pleat::formats {

/// The model of a file in that folder. Weights of some size are not read: they become external data of the
/// model's own file, so that each can go from there to where it stays. Error where the file is no model, or
/// cut off.
onnx::ModelProto read_model_message(ExternalData& folder, const std::string& file);
/// The tensor of a file, whole.
onnx::TensorProto read_tensor_message(ExternalData& folder, const std::string& file);

}  // namespace pleat::formats
