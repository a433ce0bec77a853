#include "formats/onnx/tensor.hpp"

#include <cstring>

#include "base/format.hpp"
#include "formats/input_file.hpp"

namespace pleat::formats {
namespace {

using onnx::TensorProto;

struct TypePair {
  TensorProto::DataType onnx;
  DType ours;
};
constexpr TypePair kTypes[] = {{TensorProto::FLOAT, DType::f32},
                               {TensorProto::DOUBLE, DType::f64},
                               {TensorProto::INT64, DType::i64},
                               {TensorProto::INT32, DType::i32},
                               {TensorProto::BOOL, DType::boolean}};

std::string type_name(int32_t type) {
  return TensorProto::DataType_IsValid(type)
             ? TensorProto::DataType_Name(static_cast<TensorProto::DataType>(type))
             : concat("number ", type);
}

// Copies a repeated field of as many numbers as the tensor has.
template <class T, class Field>
void copy_field(const Field& field, Tensor& tensor, const std::string& where) {
  if (field.size() != tensor.numel()) {
    fail(where, ": ", field.size(), " numbers for a tensor of shape ", tensor.shape().str());
  }
  T* out = tensor.data<T>();
  for (const auto value : field) *out++ = static_cast<T>(value);
}

// How many numbers the field of that type holds.
int64_t field_size(const TensorProto& message, DType dtype) {
  switch (dtype) {
    case DType::f32:
      return message.float_data_size();
    case DType::f64:
      return message.double_data_size();
    case DType::i64:
      return message.int64_data_size();
    case DType::i32:
    case DType::boolean:
      return message.int32_data_size();
  }
  return 0;
}

void copy_numbers(const TensorProto& message, Tensor& tensor, const std::string& where) {
  switch (tensor.dtype()) {
    case DType::f32:
      return copy_field<float>(message.float_data(), tensor, where);
    case DType::f64:
      return copy_field<double>(message.double_data(), tensor, where);
    case DType::i64:
      return copy_field<int64_t>(message.int64_data(), tensor, where);
    case DType::i32:
      return copy_field<int32_t>(message.int32_data(), tensor, where);
    case DType::boolean:
      return copy_field<bool>(message.int32_data(), tensor, where);
  }
}

TensorProto without_data(const Tensor& tensor, const std::string& name) {
  TensorProto message;
  message.set_name(name);
  message.set_data_type(dtype_to_onnx(tensor.dtype()));
  for (const int64_t dim : tensor.shape()) message.add_dims(dim);
  return message;
}

}  // namespace

DType dtype_from_onnx(int32_t type, const std::string& where) {
  for (const TypePair& pair : kTypes) {
    if (pair.onnx == type) return pair.ours;
  }
  fail(where, ": type ", type_name(type), " is not supported (FLOAT, DOUBLE, INT64, INT32 and BOOL are)");
}

int32_t dtype_to_onnx(DType dtype) {
  for (const TypePair& pair : kTypes) {
    if (pair.ours == dtype) return pair.onnx;
  }
  fail("type ", name_of(dtype), " has no ONNX type");
}

Tensor tensor_from_onnx(const TensorProto& message, ExternalData& external, const std::string& where) {
  const DType dtype = dtype_from_onnx(message.data_type(), where);
  std::vector<uint64_t> dims;
  for (const int64_t dim : message.dims()) {
    if (dim < 0) fail(where, ": a dimension is ", dim);
    dims.push_back(static_cast<uint64_t>(dim));
  }
  const uint64_t bytes = checked_bytes(where, dims, dtype);
  const Shape shape = to_shape(dims);
  Tensor tensor;
  if (message.data_location() == TensorProto::EXTERNAL) {
    tensor = external.tensor(message, shape, dtype, where);
  } else if (message.has_raw_data()) {
    if (message.raw_data().size() != bytes) {
      fail(where, ": ", message.raw_data().size(), " bytes for a tensor of shape ", shape.str(),
           ", which needs ", bytes);
    }
    tensor = Tensor(shape, dtype);
    if (bytes > 0) std::memcpy(tensor.raw(), message.raw_data().data(), bytes);
  } else {
    if (static_cast<uint64_t>(field_size(message, dtype)) != bytes / size_of(dtype)) {
      fail(where, ": ", field_size(message, dtype), " numbers for a tensor of shape ", shape.str());
    }
    tensor = Tensor(shape, dtype);
    copy_numbers(message, tensor, where);
  }
  check_booleans(where, tensor);
  return tensor;
}

TensorProto tensor_to_onnx(const Tensor& tensor, const std::string& name) {
  TensorProto message = without_data(tensor, name);
  message.set_raw_data(tensor.raw(), tensor.bytes());
  return message;
}

TensorProto external_tensor_to_onnx(const Tensor& tensor, const std::string& name,
                                    const std::string& location, uint64_t offset) {
  TensorProto message = without_data(tensor, name);
  set_external(message, location, {offset, tensor.bytes()});
  return message;
}

}  // namespace pleat::formats
