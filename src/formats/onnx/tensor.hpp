#pragma once

#include <string>

#include "formats/onnx/external_data.hpp"

namespace pleat::formats {

/// An ONNX element type as ours. Error, with `where` before it, names a type that Pleat does not have.
DType dtype_from_onnx(int32_t type, const std::string& where);
int32_t dtype_to_onnx(DType dtype);

/// The tensor of a message, or of the `external` data that it names. Error (with `where` before it) where its
/// data do not fit its shape, or it is of a type that Pleat does not have. Never allocates more than its data
/// justify.
Tensor tensor_from_onnx(const onnx::TensorProto& message, ExternalData& external, const std::string& where);
/// The message of a tensor, with its data inside.
onnx::TensorProto tensor_to_onnx(const Tensor& tensor, const std::string& name);
/// The message of a tensor whose data are in a file beside the model, `location`, from byte `offset` on.
onnx::TensorProto external_tensor_to_onnx(const Tensor& tensor, const std::string& name,
                                          const std::string& location, uint64_t offset);

}  // namespace pleat::formats
