#include "graph/edit.hpp"

#include <algorithm>
#include <queue>

#include "base/format.hpp"
#include "graph/known.hpp"
#include "ops/known.hpp"

namespace pleat {
namespace {

// Whatever is open, or 0, in it: arithmetic on a shape's sizes does not overflow.
void check_countable(Shape shape) {
  for (int d = 0; d < shape.rank(); ++d) shape[d] = std::max<int64_t>(1, shape[d]);
  shape.numel();
}

ValueId add_value(GraphData& graph, ValueInfo info) {
  check_countable(info.type.shape);
  graph.values.push_back(std::move(info));
  return static_cast<ValueId>(graph.values.size() - 1);
}

// The i-th output of a node.
ValueInfo computed(const Node& node, size_t i, ValueType type, NodeId producer) {
  return {
      .name = i == 0 ? node.name : concat(node.name, ".", i), .type = std::move(type), .producer = producer};
}

bool changes_state(const Node& node) {
  const OpDef& op = definition(node.attributes);
  if (op.mutated == nullptr) return false;
  const std::vector<int> mutated = op.mutated(node.attributes);
  return std::any_of(mutated.begin(), mutated.end(), [&](int i) {
    return i < static_cast<int>(node.inputs.size()) && node.inputs[static_cast<size_t>(i)] != kAbsent;
  });
}

// Marks the nodes that an output or a change of state needs.
std::vector<bool> live_nodes(const GraphData& graph) {
  std::vector<bool> live(graph.nodes.size(), false);
  std::vector<NodeId> stack;
  const auto need = [&](ValueId value) {
    if (value == kAbsent) return;
    const NodeId producer = graph.value(value).producer;
    if (producer >= 0 && !live[static_cast<size_t>(producer)]) {
      live[static_cast<size_t>(producer)] = true;
      stack.push_back(producer);
    }
  };
  for (ValueId value : graph.outputs) need(value);
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!live[i] && changes_state(graph.nodes[i])) {
      live[i] = true;
      stack.push_back(static_cast<NodeId>(i));
    }
  }
  while (!stack.empty()) {
    const NodeId node = stack.back();
    stack.pop_back();
    for (ValueId value : graph.node(node).inputs) need(value);
  }
  return live;
}

}  // namespace

ValueId add_input(GraphData& graph, std::string name, ValueType type) {
  const ValueId id =
      add_value(graph, {.name = std::move(name), .type = std::move(type), .kind = ValueKind::input});
  graph.inputs.push_back(id);
  return id;
}

ValueId add_parameter(GraphData& graph, std::string name, Shape shape, Init init) {
  return add_value(graph, {.name = std::move(name),
                           .type = {DType::f32, std::move(shape)},
                           .kind = ValueKind::parameter,
                           .init = init});
}

ValueId add_state(GraphData& graph, std::string name, ValueType type, Init init) {
  return add_value(
      graph, {.name = std::move(name), .type = std::move(type), .kind = ValueKind::state, .init = init});
}

ValueId add_constant(GraphData& graph, std::string name, Tensor data) {
  ValueType type{data.dtype(), data.shape(), known_value(data)};
  return add_value(graph, {.name = std::move(name),
                           .type = std::move(type),
                           .kind = ValueKind::constant,
                           .data = std::move(data)});
}

std::vector<ValueType> infer_types(const GraphData& graph, const Node& node) {
  InputTypes types;
  for (ValueId value : node.inputs) types.push_back(value == kAbsent ? nullptr : &graph.value(value).type);
  try {
    std::vector<ValueType> made = definition(node.attributes).infer(node.attributes, types);
    for (const ValueType& type : made) check_countable(type.shape);
    infer_known(node.attributes, types, made);
    return made;
  } catch (const Error& error) {
    fail(node.name, ": ", error.what());
  }
}

std::vector<ValueId> add_node(GraphData& graph, std::string name, ops::Attributes attributes,
                              std::vector<ValueId> inputs) {
  Node node{std::move(name), std::move(attributes), std::move(inputs), {}};
  const std::vector<ValueType> types = infer_types(graph, node);
  for (size_t i = 0; i < types.size(); ++i) {
    node.outputs.push_back(
        add_value(graph, computed(node, i, types[i], static_cast<NodeId>(graph.nodes.size()))));
  }
  graph.nodes.push_back(std::move(node));
  return graph.nodes.back().outputs;
}

void infer_all(GraphData& graph) {
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    Node& node = graph.nodes[n];
    const std::vector<ValueType> types = infer_types(graph, node);
    node.outputs.resize(std::min(node.outputs.size(), types.size()));
    for (size_t i = 0; i < types.size(); ++i) {
      if (i < node.outputs.size()) {
        graph.value(node.outputs[i]).type = types[i];
      } else {
        node.outputs.push_back(add_value(graph, computed(node, i, types[i], static_cast<NodeId>(n))));
      }
    }
  }
}

ValueId input_of(const Node& node, size_t i) {
  return i < node.inputs.size() ? node.inputs[i] : kAbsent;
}

std::vector<NodeId> users(const GraphData& graph, ValueId value) {
  std::vector<NodeId> found;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (ValueId input : graph.nodes[i].inputs) {
      if (input == value) found.push_back(static_cast<NodeId>(i));
    }
  }
  return found;
}

bool is_output(const GraphData& graph, ValueId value) {
  return std::find(graph.outputs.begin(), graph.outputs.end(), value) != graph.outputs.end();
}

bool only_user_is(const GraphData& graph, ValueId value, NodeId node) {
  return !is_output(graph, value) && users(graph, value) == std::vector<NodeId>{node};
}

void replace_uses(GraphData& graph, ValueId from, ValueId to) {
  for (Node& node : graph.nodes) std::replace(node.inputs.begin(), node.inputs.end(), from, to);
  std::replace(graph.outputs.begin(), graph.outputs.end(), from, to);
}

void bypass(GraphData& graph, Node& node, ValueId value) {
  replace_uses(graph, node.outputs[0], value);
  node.inputs.clear();
}

void tidy(GraphData& graph) {
  const std::vector<bool> live = live_nodes(graph);
  const size_t count = graph.nodes.size();

  // Kahn's algorithm, taking the earliest ready node first.
  std::vector<int> waiting_for(count, 0);
  std::vector<std::vector<size_t>> readers(count);
  for (size_t i = 0; i < count; ++i) {
    if (!live[i]) continue;
    for (ValueId input : graph.nodes[i].inputs) {
      const NodeId producer = input == kAbsent ? -1 : graph.value(input).producer;
      if (producer < 0) continue;
      ++waiting_for[i];
      readers[static_cast<size_t>(producer)].push_back(i);
    }
  }
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready;
  for (size_t i = 0; i < count; ++i) {
    if (live[i] && waiting_for[i] == 0) ready.push(i);
  }
  std::vector<Node> sorted;
  while (!ready.empty()) {
    const size_t i = ready.top();
    ready.pop();
    for (size_t reader : readers[i]) {
      if (--waiting_for[reader] == 0) ready.push(reader);
    }
    sorted.push_back(std::move(graph.nodes[i]));
  }
  if (sorted.size() != static_cast<size_t>(std::count(live.begin(), live.end(), true))) {
    fail("graph: its nodes form a cycle");
  }
  graph.nodes = std::move(sorted);
  for (ValueInfo& value : graph.values) value.producer = -1;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    for (ValueId output : graph.nodes[i].outputs) graph.value(output).producer = static_cast<NodeId>(i);
  }
}

}  // namespace pleat
