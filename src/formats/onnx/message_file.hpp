#pragma once

#include <filesystem>

#include "onnx.pb.h"

namespace pleat::formats {

/// The model of a file. Weights of some size are not read: they become external data of the model's own file,
/// so that each can go from there to where it stays. Error where the file is no model, or cut off.
onnx::ModelProto read_model_message(const std::filesystem::path& file);
/// The tensor of a file, whole.
onnx::TensorProto read_tensor_message(const std::filesystem::path& file);

}  // namespace pleat::formats
