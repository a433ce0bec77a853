#include "formats/onnx/node_view.hpp"

namespace pleat::formats {

using onnx::AttributeProto;

NodeView::NodeView(const onnx::NodeProto& node, int opset)
    : node_(node), opset_(opset), known_(static_cast<size_t>(node.attribute_size())) {}

const AttributeProto* NodeView::find(std::string_view name) {
  const AttributeProto* found = nullptr;
  for (int i = 0; i < node_.attribute_size(); ++i) {
    if (node_.attribute(i).name() != name) continue;
    if (found != nullptr) fail("attribute ", name, " stands twice");
    found = &node_.attribute(i);
    known_[static_cast<size_t>(i)] = true;
  }
  return found;
}

const AttributeProto* NodeView::find(std::string_view name, AttributeProto::AttributeType type) {
  const AttributeProto* found = find(name);
  if (found != nullptr && found->type() != type) {
    fail("attribute ", name, " must be of type ", AttributeProto::AttributeType_Name(type), ", not ",
         AttributeProto::AttributeType_Name(found->type()));
  }
  return found;
}

const AttributeProto& NodeView::need(std::string_view name, AttributeProto::AttributeType type) {
  const AttributeProto* found = find(name, type);
  if (found == nullptr) fail("attribute ", name, " is missing");
  return *found;
}

int64_t NodeView::integer(std::string_view name, int64_t otherwise) {
  const AttributeProto* found = find(name, AttributeProto::INT);
  return found ? found->i() : otherwise;
}

int64_t NodeView::integer(std::string_view name) {
  return need(name, AttributeProto::INT).i();
}

bool NodeView::flag(std::string_view name, bool otherwise) {
  const int64_t value = integer(name, otherwise);
  if (value != 0 && value != 1) fail("attribute ", name, " must be 0 or 1, not ", value);
  return value == 1;
}

double NodeView::number(std::string_view name, double otherwise) {
  const AttributeProto* found = find(name, AttributeProto::FLOAT);
  return found ? static_cast<double>(found->f()) : otherwise;
}

std::string NodeView::text(std::string_view name, std::string otherwise) {
  const AttributeProto* found = find(name, AttributeProto::STRING);
  return found ? found->s() : std::move(otherwise);
}

std::vector<int64_t> NodeView::integers(std::string_view name) {
  const auto& values = need(name, AttributeProto::INTS).ints();
  return {values.begin(), values.end()};
}

std::optional<std::vector<int64_t>> NodeView::optional_integers(std::string_view name) {
  if (find(name) == nullptr) return std::nullopt;
  return integers(name);
}

std::vector<float> NodeView::numbers(std::string_view name) {
  const auto& values = need(name, AttributeProto::FLOATS).floats();
  return {values.begin(), values.end()};
}

const onnx::TensorProto* NodeView::tensor(std::string_view name) {
  const AttributeProto* found = find(name, AttributeProto::TENSOR);
  return found ? &found->t() : nullptr;
}

const onnx::GraphProto& NodeView::graph(std::string_view name) {
  return need(name, AttributeProto::GRAPH).g();
}

void NodeView::check_attributes() const {
  for (int i = 0; i < node_.attribute_size(); ++i) {
    if (!known_[static_cast<size_t>(i)]) fail("attribute ", node_.attribute(i).name(), " is not known");
  }
}

}  // namespace pleat::formats
