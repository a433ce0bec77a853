#include "formats/onnx/graph_import.hpp"

#include "base/format.hpp"
#include "formats/input_file.hpp"
#include "formats/onnx/node_import.hpp"
#include "formats/onnx/operators.hpp"
#include "formats/onnx/tensor.hpp"

namespace pleat::formats {
namespace {

// The name itself where nobody has it yet, else with a number.
std::string unique(const std::string& name, std::unordered_set<std::string>& taken) {
  if (taken.insert(name).second) return name;
  for (int i = 2;; ++i) {
    if (std::string numbered = concat(name, ".", i); taken.insert(numbered).second) return numbered;
  }
}

Shape input_shape(const onnx::TypeProto::Tensor& type, const std::string& where) {
  if (!type.has_shape()) fail(where, ": has no shape, not even a rank");
  Shape shape;
  std::vector<uint64_t> known;
  for (const auto& dim : type.shape().dim()) {
    // Some exporters write -1 for an open dimension.
    const int64_t size = dim.has_dim_value() ? dim.dim_value() : kDynamic;
    if (size < kDynamic) fail(where, ": a dimension is ", size);
    shape.push_back(size);
    known.push_back(size == kDynamic ? 1 : static_cast<uint64_t>(size));
  }
  checked_bytes(where, known, DType::i64);
  return shape;
}

std::string name_of(const onnx::NodeProto& node) {
  if (!node.name().empty() || node.output_size() == 0) return concat("node '", node.name(), "'");
  return concat("node that makes '", node.output(0), "'");
}

}  // namespace

void GraphImport::read(onnx::GraphProto& message) {
  note_reads(message);
  read_initializers(message);
  for (const auto& input : message.input()) read_input(input);
  read_nodes(message);
  for (const auto& output : message.output()) {
    graph_.outputs.push_back(value(output.name()));
    graph_.output_names.push_back(output.name());
  }
  if (graph_.outputs.empty()) fail("the graph has no outputs");
  tidy(graph_);
}

std::vector<ValueId> GraphImport::inline_branch(const onnx::GraphProto& message) {
  if (message.input_size() > 0) fail("a branch takes inputs");
  onnx::GraphProto branch = message;
  const size_t before = order_.size();
  read_initializers(branch);
  read_nodes(branch);
  std::vector<ValueId> outputs;
  for (const auto& output : branch.output()) outputs.push_back(value(output.name()));
  for (; order_.size() > before; order_.pop_back()) {
    names_.erase(order_.back());
    std::erase_if(derived_, [&](const auto& entry) { return entry.first.first == order_.back(); });
  }
  return outputs;
}

// Names are unique over a graph and its branches, so one set does for all.
void GraphImport::note_reads(const onnx::GraphProto& message) {
  for (const auto& output : message.output()) read_names_.insert(output.name());
  for (const auto& node : message.node()) {
    read_names_.insert(node.input().begin(), node.input().end());
    for (const auto& attribute : node.attribute()) {
      if (attribute.has_g()) note_reads(attribute.g());
      for (const auto& graph : attribute.graphs()) note_reads(graph);
    }
  }
}

void GraphImport::read_initializers(onnx::GraphProto& message) {
  if (message.sparse_initializer_size() > 0) fail("sparse initializers are not supported");
  for (auto& tensor : *message.mutable_initializer()) {
    if (tensor.name().empty()) fail("an initializer has no name");
    bind(tensor.name(), {.message = &tensor});
  }
}

void GraphImport::read_input(const onnx::ValueInfoProto& message) {
  const std::string where = concat("input '", message.name(), "'");
  // An initializer is its input's default value; before IR 4 every initializer had to be listed here.
  if (names_.count(message.name()) > 0 && names_.at(message.name()).message != nullptr) return;
  if (!message.type().has_tensor_type()) fail(where, ": is not a tensor");
  const auto& type = message.type().tensor_type();
  const DType dtype = dtype_from_onnx(type.elem_type(), where);
  if (dtype == DType::f64) fail(where, ": type DOUBLE is not supported");
  bind(message.name(), {.value = add_input(graph_, message.name(), {dtype, input_shape(type, where)})});
}

void GraphImport::read_nodes(const onnx::GraphProto& message) {
  for (const auto& node : message.node()) {
    try {
      read_node(node);
    } catch (const Error& error) {
      fail(name_of(node), " (", node.op_type(), ", opset ", opset_, "): ", error.what());
    }
  }
}

void GraphImport::read_node(const onnx::NodeProto& message) {
  if (message.output_size() == 0) fail("has no outputs");
  const auto first_new = static_cast<ValueId>(graph_.values.size());
  NodeImport node(message, opset_, *this);
  const Operator& op = find_operator(message.domain(), message.op_type(), opset_);
  const std::vector<ValueId> outputs = op.rule(node);
  node.check_attributes();
  for (int i = 0; i < message.output_size(); ++i) {
    const std::string& name = message.output(i);
    if (name.empty()) continue;
    if (static_cast<size_t>(i) >= outputs.size() || outputs[static_cast<size_t>(i)] == kAbsent) {
      if (is_read(name)) fail("its output ", i, " ('", name, "') is not supported");
      continue;
    }
    const ValueId made = outputs[static_cast<size_t>(i)];
    if (made >= first_new && graph_.value(made).kind == ValueKind::computed) graph_.value(made).name = name;
    bind(name, {.value = made});
  }
}

GraphImport::Bound& GraphImport::bind(const std::string& name, Bound bound) {
  if (name.empty()) fail("a value has no name");
  const auto [it, fresh] = names_.emplace(name, std::move(bound));
  if (!fresh) fail("the name '", name, "' is given twice");
  order_.push_back(name);
  return it->second;
}

GraphImport::Bound& GraphImport::find(const std::string& name) {
  const auto it = names_.find(name);
  if (it == names_.end()) fail("'", name, "' is no input or initializer, and no node before makes it");
  return it->second;
}

const Tensor& GraphImport::data_of(const std::string& name, Bound& bound) {
  if (bound.message != nullptr) {
    onnx::TensorProto message;
    message.Swap(bound.message);  // whose memory goes when this one's does
    bound.message = nullptr;
    bound.data = tensor_from_onnx(message, external_, concat("initializer '", name, "'"));
  }
  return bound.data;
}

ValueId GraphImport::value(const std::string& name) {
  Bound& bound = find(name);
  if (bound.value == kAbsent) {
    bound.value = add_constant(graph_, unique_data_name(name), data_of(name, bound));
  } else if (graph_.value(bound.value).kind == ValueKind::state) {
    // Training moves the state; who reads the value elsewhere wants it as it is.
    bound.value = add_constant(graph_, unique_data_name(name), graph_.value(bound.value).data.clone());
  }
  if (graph_.value(bound.value).type.dtype == DType::f64) fail("'", name, "': type DOUBLE is not supported");
  return bound.value;
}

ValueId GraphImport::parameter(const std::string& name) {
  const ValueId id = value(name);
  ValueInfo& info = graph_.value(id);
  if (info.kind == ValueKind::constant && info.type.dtype == DType::f32) {
    info.kind = ValueKind::parameter;
    info.type.known = nullptr;
  }
  return id;
}

ValueId GraphImport::statistic(const std::string& name) {
  Bound& bound = find(name);
  const std::optional<Tensor> data = known(name);
  if (!data || data->dtype() != DType::f32) return value(name);
  const bool shared = bound.value != kAbsent;
  const ValueId state = add_state(graph_, unique_data_name(name), {DType::f32, data->shape()}, {});
  graph_.value(state).data = shared ? data->clone() : *data;
  if (!shared) bound.value = state;
  return state;
}

std::optional<Tensor> GraphImport::known(const std::string& name) {
  Bound& bound = find(name);
  if (bound.value == kAbsent) return data_of(name, bound);
  const ValueInfo& info = graph_.value(bound.value);
  if (info.data.defined()) return info.data;
  if (info.type.known == nullptr || info.type.known->unknown.defined()) return std::nullopt;
  return info.type.known->values;
}

ValueId GraphImport::derived_parameter(const std::string& name, const std::string& form,
                                       const std::function<Tensor()>& make) {
  ValueId& id = derived_.try_emplace({name, form}, kAbsent).first->second;
  if (id == kAbsent) {
    id = add_constant(graph_, unique_data_name(name), make());
    graph_.value(id).kind = ValueKind::parameter;
    graph_.value(id).type.known = nullptr;
  }
  return id;
}

std::string GraphImport::unique_data_name(const std::string& name) {
  return unique(name, data_names_);
}
std::string GraphImport::unique_node_name(const std::string& name) {
  return unique(name, node_names_);
}

}  // namespace pleat::formats
