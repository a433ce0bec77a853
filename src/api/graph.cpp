#include "pleat/graph.hpp"

#include <algorithm>

#include "base/format.hpp"
#include "graph/builders.hpp"
#include "graph/edit.hpp"

namespace pleat {
namespace {

void need_new_name(const GraphData& graph, const std::string& name) {
  const auto taken = [&](const ValueInfo& value) { return value.name == name; };
  if (name.empty()) fail("a layer, input or output needs a name");
  if (std::any_of(graph.values.begin(), graph.values.end(), taken))
    fail(name, ": this name is taken already");
}

}  // namespace

Graph::Graph() : data_(std::make_unique<GraphData>()) {}
Graph::Graph(const Graph& other) : data_(std::make_unique<GraphData>(*other.data_)) {}
Graph::Graph(Graph&&) noexcept = default;
Graph& Graph::operator=(Graph other) noexcept {
  data_.swap(other.data_);
  return *this;
}
Graph::~Graph() = default;

Value Graph::input(std::string name, Shape shape, DType dtype) {
  need_new_name(*data_, name);
  return {add_input(*data_, std::move(name), {dtype, std::move(shape)})};
}

Value Graph::add(std::string name, const Layer& layer, const std::vector<Value>& inputs) {
  need_new_name(*data_, name);
  std::vector<ValueId> ids;
  for (Value value : inputs) {
    if (value.id < 0 || value.id >= static_cast<ValueId>(data_->values.size())) {
      fail(name, ": an input is not a value of this graph");
    }
    ids.push_back(value.id);
  }
  const size_t before = data_->values.size();
  try {
    return {add_layer(*data_, name, layer, ids)};
  } catch (...) {
    data_->values.resize(before);  // the parameters of a layer that did not fit
    throw;
  }
}

Value Graph::add(const Layer& layer, const std::vector<Value>& inputs) {
  const std::string kind(kind_of(layer));
  for (int i = 1;; ++i) {
    std::string name = kind + std::to_string(i);
    const auto taken = [&](const ValueInfo& value) { return value.name == name; };
    if (std::none_of(data_->values.begin(), data_->values.end(), taken))
      return add(std::move(name), layer, inputs);
  }
}

void Graph::output(std::string name, Value value) {
  if (name.empty()) fail("an output needs a name");
  data_->outputs.push_back(value.id);
  data_->output_names.push_back(std::move(name));
}

const Shape& Graph::shape(Value value) const {
  return data_->value(value.id).type.shape;
}

DType Graph::dtype(Value value) const {
  return data_->value(value.id).type.dtype;
}

const std::string& Graph::name(Value value) const {
  const auto it = std::find(data_->outputs.begin(), data_->outputs.end(), value.id);
  if (it != data_->outputs.end())
    return data_->output_names[static_cast<size_t>(it - data_->outputs.begin())];
  return data_->value(value.id).name;
}

std::vector<Value> Graph::inputs() const {
  std::vector<Value> values;
  for (ValueId id : data_->inputs) values.push_back({id});
  return values;
}

std::vector<Value> Graph::outputs() const {
  std::vector<Value> values;
  for (ValueId id : data_->outputs) values.push_back({id});
  return values;
}

std::string Graph::str() const {
  return print(*data_);
}

std::string Graph::dot() const {
  return print_dot(*data_);
}

}  // namespace pleat
