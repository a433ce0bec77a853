// recompute: a normalized value lives until its last forward reader.
//   Before: y, saved = batch_norm(x, ..., residual),  backward nodes read y
//   After:  they read batch_norm_recompute(x, saved, residual, after), where `after` is the gradient that the
//           first of them reads too
// Only where x and the residual are kept for the backward pass anyway.

#include "passes/recompute.hpp"

#include <algorithm>

#include "base/format.hpp"
#include "graph/edit.hpp"

namespace pleat {
namespace {

constexpr size_t kX = 0, kResidual = 6;

class Recomputation {
 public:
  Recomputation(GraphData& graph, NodeId first_backward)
      : graph_(graph), first_backward_(first_backward), made_again_(graph.values.size(), false) {}

  void visit(NodeId id) {
    const Node node = graph_.node(id);
    const auto* batch_norm = std::get_if<ops::BatchNorm>(&node.attributes);
    if (batch_norm == nullptr || is_bypassed(node) || batch_norm->saves_only) return;
    const ValueId y = node.outputs[0], residual = input_of(node, kResidual);
    const std::vector<NodeId> readers = backward_readers(y);
    if (readers.empty() || is_output(graph_, y) || !stays(node.inputs[kX])) return;
    if (residual != kAbsent && !stays(residual)) return;
    const ValueId after = gradient_in(readers.front());
    if (after == kAbsent) return;
    const ops::BatchNormRecompute attributes{batch_norm->batch_statistics, batch_norm->channels_last,
                                             batch_norm->virtual_batch_size, batch_norm->renorm.has_value(),
                                             batch_norm->activation};
    const ValueId again = add_node(graph_, concat(node.name, ".recompute"), attributes,
                                   {node.inputs[kX], node.outputs[1], residual, after})[0];
    for (const NodeId reader : readers) {
      std::replace(graph_.node(reader).inputs.begin(), graph_.node(reader).inputs.end(), y, again);
    }
    made_again_[static_cast<size_t>(y)] = true;
  }

 private:
  std::vector<NodeId> backward_readers(ValueId value) const {
    std::vector<NodeId> readers = users(graph_, value);
    std::erase_if(readers, [&](NodeId reader) { return reader < first_backward_; });
    return readers;
  }
  bool stays(ValueId value) const {
    return !made_again_[static_cast<size_t>(value)] && !backward_readers(value).empty();
  }
  // What a backward node reads that a backward node made.
  ValueId gradient_in(NodeId id) const {
    for (const ValueId input : graph_.node(id).inputs) {
      if (input != kAbsent && graph_.value(input).producer >= first_backward_) return input;
    }
    return kAbsent;
  }

  GraphData& graph_;
  NodeId first_backward_;
  std::vector<bool> made_again_;  // by original value
};

}  // namespace

void recompute(GraphData& graph, NodeId first_backward) {
  Recomputation recomputation(graph, first_backward);
  for (NodeId id = 0; id < first_backward; ++id) recomputation.visit(id);
  tidy(graph);
}

}  // namespace pleat
