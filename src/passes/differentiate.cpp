#include "passes/differentiate.hpp"

#include <algorithm>

#include "base/format.hpp"
#include "graph/edit.hpp"

namespace pleat {
namespace {

class Differentiation {
 public:
  Differentiation(GraphData& graph, const std::vector<ValueId>& wanted)
      : graph_(graph), needed_(graph.values.size(), false), gradients_(graph.values.size(), kAbsent) {
    for (ValueId value : wanted) needed_[static_cast<size_t>(value)] = true;
    for (const Node& node : graph.nodes) {
      if (std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId input) { return needed(input); })) {
        for (ValueId output : node.outputs) needed_[static_cast<size_t>(output)] = true;
      }
    }
  }

  bool needed(ValueId value) const { return value != kAbsent && needed_[static_cast<size_t>(value)]; }
  ValueId gradient(ValueId value) const { return gradients_[static_cast<size_t>(value)]; }

  // Several contributions are summed in the order in which they come: that of the nodes, backward.
  void contribute(ValueId value, ValueId gradient) {
    ValueId& sum = gradients_[static_cast<size_t>(value)];
    sum = sum == kAbsent ? gradient
                         : add_node(graph_, concat(graph_.value(value).name, ".gradient_sum"), ops::Add{},
                                    {sum, gradient})[0];
  }

  void visit(NodeId id);

  GraphData& graph() { return graph_; }

 private:
  GraphData& graph_;
  std::vector<bool> needed_;        // by original value: whether a wanted value lies upstream
  std::vector<ValueId> gradients_;  // by original value
};

class NodeScope final : public GradientScope {
 public:
  NodeScope(Differentiation& owner, Node node) : owner_(owner), node_(std::move(node)) {}

  ValueId input(int i) const override {
    return static_cast<size_t>(i) < node_.inputs.size() ? node_.inputs[static_cast<size_t>(i)] : kAbsent;
  }
  ValueId output(int i) const override { return node_.outputs[static_cast<size_t>(i)]; }
  int input_count() const override { return static_cast<int>(node_.inputs.size()); }
  const ValueType& type(ValueId value) const override { return owner_.graph().value(value).type; }
  ValueId output_gradient(int i) const override { return owner_.gradient(output(i)); }
  bool wants(int i) const override { return owner_.needed(input(i)); }
  std::vector<ValueId> emit(const ops::Attributes& attributes, const std::vector<ValueId>& inputs) override {
    return add_node(owner_.graph(), concat(node_.name, ".", definition(attributes).name), attributes, inputs);
  }
  void set_input_gradient(int i, ValueId gradient) override {
    if (gradient != kAbsent && wants(i)) owner_.contribute(input(i), gradient);
  }

 private:
  Differentiation& owner_;
  Node node_;
};

void Differentiation::visit(NodeId id) {
  const Node& node = graph_.node(id);
  const bool reached = std::any_of(node.outputs.begin(), node.outputs.end(),
                                   [&](ValueId output) { return gradient(output) != kAbsent; });
  const bool asked =
      std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId input) { return needed(input); });
  if (!reached || !asked) return;
  const OpDef& op = definition(node.attributes);
  if (op.gradient == nullptr) fail(node.name, ": ", op.name, " has no gradient");
  const ops::Attributes attributes = node.attributes;  // copies: emitting nodes moves the graph's own
  NodeScope scope(*this, node);
  op.gradient(attributes, scope);
}

}  // namespace

std::vector<ValueId> differentiate(GraphData& graph, const std::vector<GradientSeed>& seeds,
                                   const std::vector<ValueId>& wanted) {
  const NodeId count = static_cast<NodeId>(graph.nodes.size());
  Differentiation differentiation(graph, wanted);
  for (const GradientSeed& seed : seeds) differentiation.contribute(seed.value, seed.gradient);
  for (NodeId id = count - 1; id >= 0; --id) differentiation.visit(id);
  std::vector<ValueId> gradients;
  for (ValueId value : wanted) gradients.push_back(differentiation.gradient(value));
  return gradients;
}

}  // namespace pleat
