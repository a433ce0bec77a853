#pragma once

#include <string>
#include <vector>

#include "formats/onnx/tensor.hpp"
#include "pleat/onnx.hpp"
#include "support/temporary_folder.hpp"

namespace pleat::test {

/// An ONNX node being written: OnnxNode("Conv", {"x", "w"}, {"y"}).set("group", 2)
class OnnxNode {
 public:
  OnnxNode(const std::string& op, const std::vector<std::string>& inputs,
           const std::vector<std::string>& outputs, const std::string& name = "") {
    message.set_op_type(op);
    if (!name.empty()) message.set_name(name);
    for (const std::string& input : inputs) message.add_input(input);
    for (const std::string& output : outputs) message.add_output(output);
  }

  OnnxNode&& set(const std::string& name, int64_t value) {
    attribute(name, onnx::AttributeProto::INT).set_i(value);
    return std::move(*this);
  }
  OnnxNode&& set(const std::string& name, int value) { return set(name, static_cast<int64_t>(value)); }
  OnnxNode&& set(const std::string& name, float value) {
    attribute(name, onnx::AttributeProto::FLOAT).set_f(value);
    return std::move(*this);
  }
  OnnxNode&& set(const std::string& name, const char* value) {
    attribute(name, onnx::AttributeProto::STRING).set_s(value);
    return std::move(*this);
  }
  OnnxNode&& set(const std::string& name, const std::vector<int64_t>& values) {
    onnx::AttributeProto& made = attribute(name, onnx::AttributeProto::INTS);
    for (const int64_t value : values) made.add_ints(value);
    return std::move(*this);
  }
  OnnxNode&& set(const std::string& name, const std::vector<float>& values) {
    onnx::AttributeProto& made = attribute(name, onnx::AttributeProto::FLOATS);
    for (const float value : values) made.add_floats(value);
    return std::move(*this);
  }
  OnnxNode&& set(const std::string& name, const Tensor& value) {
    *attribute(name, onnx::AttributeProto::TENSOR).mutable_t() = formats::tensor_to_onnx(value, "");
    return std::move(*this);
  }
  OnnxNode&& set(const std::string& name, const onnx::GraphProto& value) {
    *attribute(name, onnx::AttributeProto::GRAPH).mutable_g() = value;
    return std::move(*this);
  }

  onnx::NodeProto message;

 private:
  onnx::AttributeProto& attribute(const std::string& name, onnx::AttributeProto::AttributeType type) {
    onnx::AttributeProto& made = *message.add_attribute();
    made.set_name(name);
    made.set_type(type);
    return made;
  }
};

/// An ONNX model being written, piece by piece.
class OnnxModel {
 public:
  explicit OnnxModel(int opset = 17) {
    message.set_ir_version(8);
    message.add_opset_import()->set_version(opset);
    message.mutable_graph()->set_name("test");
  }

  OnnxModel& input(const std::string& name, const Shape& shape, DType dtype = DType::f32) {
    onnx::ValueInfoProto& info = *graph().add_input();
    info.set_name(name);
    auto& type = *info.mutable_type()->mutable_tensor_type();
    type.set_elem_type(formats::dtype_to_onnx(dtype));
    type.mutable_shape();
    for (const int64_t dim : shape) {
      auto& made = *type.mutable_shape()->add_dim();
      if (dim != kDynamic) made.set_dim_value(dim);
    }
    return *this;
  }
  OnnxModel& initializer(const std::string& name, const Tensor& data) {
    *graph().add_initializer() = formats::tensor_to_onnx(data, name);
    return *this;
  }
  OnnxModel& node(const OnnxNode& node) {
    *graph().add_node() = node.message;
    return *this;
  }
  OnnxModel& output(const std::string& name) {
    graph().add_output()->set_name(name);
    return *this;
  }
  onnx::GraphProto& graph() { return *message.mutable_graph(); }

  /// Writes the model to a file and reads it with the library.
  Graph read() const {
    const TemporaryFolder folder;
    return read_onnx(write_bytes(folder / "model.onnx", message.SerializeAsString()));
  }
  /// The Error's text of reading it; empty where it is read.
  std::string fault() const {
    try {
      read();
      return {};
    } catch (const Error& error) {
      return error.what();
    }
  }

  onnx::ModelProto message;
};

}  // namespace pleat::test
