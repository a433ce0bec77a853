#include "formats/onnx/node_writer.hpp"

#include <algorithm>

#include "base/format.hpp"
#include "formats/onnx/tensor.hpp"
#include "ops/known.hpp"

namespace pleat::formats {
namespace {

constexpr size_t kSmallConstant = 64;  // bytes

}  // namespace

OnnxAttribute::OnnxAttribute(const char* name, onnx::AttributeProto::AttributeType type) {
  proto.set_name(name);
  proto.set_type(type);
}
OnnxAttribute::OnnxAttribute(const char* name, double value)
    : OnnxAttribute(name, onnx::AttributeProto::FLOAT) {
  proto.set_f(static_cast<float>(value));
}
OnnxAttribute::OnnxAttribute(const char* name, const std::string& value)
    : OnnxAttribute(name, onnx::AttributeProto::STRING) {
  proto.set_s(value);
}
OnnxAttribute::OnnxAttribute(const char* name, const std::vector<int64_t>& values)
    : OnnxAttribute(name, onnx::AttributeProto::INTS) {
  for (const int64_t value : values) proto.add_ints(value);
}
OnnxAttribute::OnnxAttribute(const char* name, const Tensor& value)
    : OnnxAttribute(name, onnx::AttributeProto::TENSOR) {
  *proto.mutable_t() = tensor_to_onnx(value, "");
}

GraphWriter::GraphWriter(const GraphData& given, int set, onnx::GraphProto& message)
    : graph(given), opset(set), proto(message), names_(given.values.size()) {
  for (const ValueId id : graph.inputs) names_[static_cast<size_t>(id)] = unique(graph.value(id).name);
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    const ValueId id = graph.outputs[i];
    const std::string& name = graph.output_names[i];
    if (name.empty()) fail("output ", i, " has no name");
    if (names_[static_cast<size_t>(id)] == name) continue;  // an input that is an output under its own name
    if (unique(name) != name) fail("the name of output '", name, "' is another output's or an input's");
    if (graph.value(id).producer >= 0) output_names_.try_emplace(id, name);
  }
}

std::string GraphWriter::unique(const std::string& wanted) {
  std::string name = wanted;
  for (int i = 1; name.empty() || !taken_.insert(name).second; ++i) name = concat(wanted, "_", i);
  return name;
}

std::string GraphWriter::constant(const Tensor& tensor) {
  if (tensor.bytes() > kSmallConstant) {
    return initializers.emplace_back(unique("constant"), tensor).first;
  }
  const std::string bytes(static_cast<const char*>(tensor.raw()), tensor.bytes());
  std::string& name = small_constants_[concat(pleat::name_of(tensor.dtype()), tensor.shape().str(), bytes)];
  if (name.empty()) name = initializers.emplace_back(unique("constant"), tensor).first;
  return name;
}

const std::string& GraphWriter::name_of(ValueId id) {
  const ValueInfo& value = graph.value(id);
  std::string& name = names_[static_cast<size_t>(id)];
  if (!name.empty()) return name;
  if (!value.data.defined()) {
    fail("needs '", value.name, "', which ", value.producer >= 0 ? "has no ONNX form" : "has no data yet");
  }
  name = unique(value.name);
  initializers.emplace_back(name, value.data);
  return name;
}

void GraphWriter::set_outputs(const Node& node, int first_onnx_node, const Names& names) {
  for (size_t i = 0; i < std::min(names.size(), node.outputs.size()); ++i) {
    const ValueId id = node.outputs[i];
    const auto output = output_names_.find(id);
    const std::string name = output != output_names_.end() ? output->second : unique(graph.value(id).name);
    rename(first_onnx_node, names[i], name);
    names_[static_cast<size_t>(id)] = name;
  }
}

void GraphWriter::rename(int first_onnx_node, const std::string& from, const std::string& to) {
  bool made = false;
  for (int i = first_onnx_node; i < proto.node_size(); ++i) {
    onnx::NodeProto& node = *proto.mutable_node(i);
    for (std::string& input : *node.mutable_input()) {
      if (made && input == from) input = to;
    }
    for (std::string& output : *node.mutable_output()) {
      if (output != from) continue;
      output = to;
      made = true;
    }
  }
  if (made) {
    taken_.erase(from);
    return;
  }
  onnx::NodeProto& identity = *proto.add_node();
  identity.set_op_type("Identity");
  identity.set_name(to);
  identity.add_input(from);
  identity.add_output(to);
}

void GraphWriter::finish_outputs() {
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    const std::string& name = graph.output_names[i];
    const std::string& made = name_of(graph.outputs[i]);
    if (made != name) rename(proto.node_size(), made, name);
  }
}

std::string NodeWriter::in(size_t i) {
  return has(i) ? graph_.name_of(node_.inputs[i]) : std::string();
}

std::string NodeWriter::in_as(size_t i, DType dtype) {
  if (!has(i) || type(i).dtype == dtype) return in(i);
  if (const Tensor* values = data(i)) return constant(values->to(dtype));
  return add("Cast", {in(i)}, {{"to", dtype_to_onnx(dtype)}});
}

const Tensor* NodeWriter::data(size_t i) const {
  const Tensor& data = graph_.graph.value(node_.inputs[i]).data;
  return data.defined() ? &data : nullptr;
}

std::optional<std::vector<int64_t>> NodeWriter::known(size_t i) const {
  auto values = known_integers(&type(i), "shapes and axes");
  if (values && std::count(values->begin(), values->end(), kUnknown) > 0) return std::nullopt;
  return values;
}

std::string NodeWriter::add(const char* op, Names inputs, const OnnxAttributes& attributes) {
  return add(op, std::move(inputs), attributes, 1)[0];
}

Names NodeWriter::add(const char* op, Names inputs, const OnnxAttributes& attributes, size_t outputs) {
  while (!inputs.empty() && inputs.back().empty()) inputs.pop_back();
  onnx::NodeProto& proto = *graph_.proto.add_node();
  proto.set_op_type(op);
  for (std::string& input : inputs) proto.add_input(std::move(input));
  Names names;
  for (size_t i = 0; i < outputs; ++i) {
    names.push_back(graph_.unique(concat(node_.name, "/", op)));
    proto.add_output(names.back());
  }
  proto.set_name(names[0]);
  for (const OnnxAttribute& attribute : attributes) *proto.add_attribute() = attribute.proto;
  return names;
}

std::string NodeWriter::number(double value) {
  return constant(Tensor::from<double>({}, {value}).to(type(0).dtype));
}

std::string NodeWriter::integers(const std::vector<int64_t>& values) {
  return constant(Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values));
}

}  // namespace pleat::formats
