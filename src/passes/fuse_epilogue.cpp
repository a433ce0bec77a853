// fuse_epilogue: what is done to each element of a step's result is done before it is stored.
//   Before: y = activate(f(x)),  add(f(x), r)  or  activate(add(f(x), r))    f: conv, linear, scale_shift,
//   batch_norm After:  y = f(x, residual r) with the activation inside

#include "graph/edit.hpp"
#include "passes/affine.hpp"
#include "passes/pass.hpp"

namespace pleat {
namespace {

// The places of a node where an activation and a residual can be fused; activation null for any other node.
struct Fusible {
  Activation* activation = nullptr;
  double* alpha = nullptr;  // null: only activations without one
  size_t residual = 0;
};

Fusible fusible(Node& node) {
  if (auto* conv = std::get_if<ops::Conv>(&node.attributes)) {
    return {&conv->epilogue.activation, &conv->epilogue.alpha, 3};
  }
  if (auto* linear = std::get_if<ops::Linear>(&node.attributes)) {
    return {&linear->epilogue.activation, &linear->epilogue.alpha, 3};
  }
  if (auto* scale_shift = std::get_if<ops::ScaleShift>(&node.attributes)) {
    return {&scale_shift->activation, &scale_shift->alpha, 4};
  }
  return {};
}

// The node that makes the value, if it can take what follows: its only reader is `reader`, and it ends in no
// activation yet.
Node* open_producer(GraphData& graph, ValueId value, NodeId reader) {
  const NodeId producer = graph.value(value).producer;
  if (producer < 0 || !only_user_is(graph, value, reader)) return nullptr;
  Node& node = graph.node(producer);
  const Fusible place = fusible(node);
  return place.activation != nullptr && *place.activation == Activation::none ? &node : nullptr;
}

// Whether `value` is computed from `source`: then it cannot be source's own residual.
bool depends_on(const GraphData& graph, ValueId value, NodeId source) {
  std::vector<bool> seen(graph.nodes.size(), false);
  std::vector<ValueId> stack = {value};
  while (!stack.empty()) {
    const ValueId next = stack.back();
    stack.pop_back();
    const NodeId producer = next == kAbsent ? -1 : graph.value(next).producer;
    if (producer == source) return true;
    if (producer < 0 || seen[static_cast<size_t>(producer)]) continue;
    seen[static_cast<size_t>(producer)] = true;
    for (ValueId input : graph.node(producer).inputs) stack.push_back(input);
  }
  return false;
}

// An addition goes to the producer of either side; the later one first, whose other side is there by then.
bool fuse_add(GraphData& graph, NodeId id) {
  Node& add = graph.node(id);
  const bool second_is_later = graph.value(add.inputs[1]).producer > graph.value(add.inputs[0]).producer;
  for (const size_t side :
       {second_is_later ? size_t{1} : size_t{0}, second_is_later ? size_t{0} : size_t{1}}) {
    const ValueId mine = add.inputs[side], other = add.inputs[1 - side];
    Node* producer = mine == other ? nullptr : open_producer(graph, mine, id);
    if (producer == nullptr || input_of(*producer, fusible(*producer).residual) != kAbsent) continue;
    if (depends_on(graph, other, graph.value(mine).producer)) continue;
    set_input(*producer, fusible(*producer).residual, other);
    bypass(graph, add, mine);
    return true;
  }
  return false;
}

void fuse_activation(GraphData& graph, NodeId id) {
  Node& activate = graph.node(id);
  Node* producer = open_producer(graph, activate.inputs[0], id);
  if (producer == nullptr) return;
  const ops::Activate& kind = std::get<ops::Activate>(activate.attributes);
  *fusible(*producer).activation = kind.activation;
  *fusible(*producer).alpha = kind.alpha;
  bypass(graph, activate, producer->outputs[0]);
}

void run(GraphData& graph, PassContext&) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const NodeId id = static_cast<NodeId>(i);
    if (is_bypassed(graph.node(id))) continue;
    if (std::holds_alternative<ops::Add>(graph.node(id).attributes)) {
      fuse_add(graph, id);
    } else if (std::holds_alternative<ops::Activate>(graph.node(id).attributes)) {
      fuse_activation(graph, id);
    }
  }
}

}  // namespace

const Pass kFuseEpilogue = {"fuse_epilogue", run};

}  // namespace pleat
