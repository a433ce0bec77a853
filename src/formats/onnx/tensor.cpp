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

uint64_t number(const std::string& text, const std::string& key, const std::string& where) {
  uint64_t value = 0;
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != std::string::npos) {
    fail(where, ": external data's ", key, " is '", text, "', not a number");
  }
  for (const char digit : text) value = value * 10 + static_cast<uint64_t>(digit - '0');
  return value;
}

// "location" is a path below the model's folder; "offset" and "length" are bytes.
void read_external(const TensorProto& message, const std::filesystem::path& folder, uint64_t bytes,
                   const DType dtype, const Shape& shape, Tensor& tensor, const std::string& where) {
  std::filesystem::path location;
  uint64_t offset = 0, length = bytes;
  for (const auto& entry : message.external_data()) {
    if (entry.key() == "location") location = entry.value();
    if (entry.key() == "offset") offset = number(entry.value(), "offset", where);
    if (entry.key() == "length") length = number(entry.value(), "length", where);
  }
  const std::filesystem::path normal = location.lexically_normal();
  if (location.empty() || normal.is_absolute() || *normal.begin() == "..") {
    fail(where, ": external data's location '", location.string(), "' is not below the model's folder");
  }
  InputFile file(folder / normal);
  if (length != bytes || offset > file.size() || file.size() - offset < bytes) {
    file.fail("holds no ", bytes, " bytes from ", offset, " on, as ", where, " needs (length ", length,
              ", file ", file.size(), ")");
  }
  file.skip(offset);
  tensor = Tensor(shape, dtype);
  file.read(tensor.raw(), bytes);
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

Tensor tensor_from_onnx(TensorProto message, const std::filesystem::path& folder, const std::string& where) {
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
    read_external(message, folder, bytes, dtype, shape, tensor, where);
  } else if (message.has_raw_data()) {
    if (message.raw_data().size() != bytes) {
      fail(where, ": ", message.raw_data().size(), " bytes for a tensor of shape ", shape.str(),
           ", which needs ", bytes);
    }
    tensor = Tensor::adopt(shape, dtype, std::move(*message.mutable_raw_data()));
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
  message.set_data_location(TensorProto::EXTERNAL);
  const auto add = [&](const char* key, const std::string& value) {
    auto& entry = *message.add_external_data();
    entry.set_key(key);
    entry.set_value(value);
  };
  add("location", location);
  add("offset", std::to_string(offset));
  add("length", std::to_string(tensor.bytes()));
  return message;
}

}  // namespace pleat::formats
