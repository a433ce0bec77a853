// fuse_batch_norm_training: one step forward and one backward for what reads a normalized value at once.
//   Before: y = activate(batch_norm(x)),  add(batch_norm(x), r)  or  activate(add(batch_norm(x), r))
//   After:  y = batch_norm(x, residual r) with the activation inside
// Only where nobody else reads the values in between, and for activations whose mask the result shows (relu,
// relu6).

#include "graph/edit.hpp"
#include "passes/pass.hpp"

namespace pleat {
namespace {

constexpr size_t kResidual = 6;

// The only reader of the node's first output, if it is of that kind.
template <class Op>
Node* only_reader(GraphData& graph, const Node& node) {
  const ValueId y = node.outputs[0];
  const std::vector<NodeId> readers = users(graph, y);
  if (readers.size() != 1 || is_output(graph, y)) return nullptr;
  Node& reader = graph.node(readers[0]);
  return std::holds_alternative<Op>(reader.attributes) ? &reader : nullptr;
}

bool shows_its_mask(Activation activation) {
  return activation == Activation::relu || activation == Activation::relu6;
}

void run(GraphData& graph, PassContext&) {
  for (Node& node : graph.nodes) {
    auto* batch_norm = std::get_if<ops::BatchNorm>(&node.attributes);
    if (batch_norm == nullptr || is_bypassed(node)) continue;
    if (Node* add = only_reader<ops::Add>(graph, node); add != nullptr && add->inputs[0] != add->inputs[1]) {
      node.inputs[kResidual] = add->inputs[add->inputs[0] == node.outputs[0] ? 1 : 0];
      bypass(graph, *add, node.outputs[0]);
    }
    if (Node* activate = only_reader<ops::Activate>(graph, node)) {
      const Activation activation = std::get<ops::Activate>(activate->attributes).activation;
      if (!shows_its_mask(activation)) continue;
      batch_norm->activation = activation;
      bypass(graph, *activate, node.outputs[0]);
    }
  }
}

}  // namespace

const Pass kFuseBatchNormTraining = {"fuse_batch_norm_training", run};

}  // namespace pleat
