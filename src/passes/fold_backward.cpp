// fold_backward: the linear layers that make a value take the affine behind them into weight and bias.
//   Before: y = f(conv(x, W) + b) * s + t         (linear, conv_transpose alike)
//   After:  y = f(conv(x, W')), W'[o] = W[o] * s[o], b'[o] = b[o] * s[o] + t[o]; in double
// f: any number of nodes that affines can pass (commute.hpp), which may join several such layers: all of them
// take their part, or nothing is changed.

#include <algorithm>
#include <set>

#include "base/format.hpp"
#include "graph/edit.hpp"
#include "passes/linear_view.hpp"
#include "passes/placement.hpp"
#include "passes/scale_shift.hpp"

namespace pleat {
namespace {

using namespace scale_shift;

// A constant among what an affine reaches, which is replaced by one that has it applied.
struct Constant {
  NodeId reader;
  size_t input;
  Affine affine;
};

class Search {
 public:
  Search(const GraphData& graph, const PassContext& context) : graph_(graph), context_(context) {}

  // Places an affine of the value that `reader` reads as its input-th. False: placement.refusal says why.
  bool place(NodeId reader, size_t input, const Affine& affine) {
    const ValueId value = graph_.node(reader).inputs[input];
    const ValueInfo& info = graph_.value(value);
    if (!affine.scales() && !affine.shifts()) return true;
    if (info.kind == ValueKind::constant) {
      constants.push_back({reader, input, affine});
      return true;
    }
    if (info.producer < 0) return placement.refuse("its input is the graph's own");
    const Node& node = graph_.node(info.producer);
    if (!only_user_is(graph_, value, reader))
      return placement.refuse(concat("the result of ", node.name, " is needed elsewhere too"));
    if (linear_view(graph_, node)) {
      const std::string reason = cannot_absorb_after(graph_, node, affine);
      if (!reason.empty()) return placement.refuse(reason);
      placement.absorbed.emplace_back(info.producer, affine);
      return true;
    }
    if (const ops::ScaleShift* before = plain_scale_shift(node)) {
      if (is_kept(context_, node.name)) return placement.refuse(concat(node.name, " is to be kept as it is"));
      const auto dim = static_cast<int>(before->dim);
      if (!along(affine, dim, info.type.shape[dim]))
        return placement.refuse(concat("scales another dimension than ", node.name, " before it"));
      placement.absorbed.emplace_back(info.producer, affine);
      return true;
    }
    Passage passage = move_up(graph_, node, output_of(node, value), affine);
    if (!passage.refusal.empty()) return placement.refuse(passage.refusal);
    for (const auto& [i, part] : passage.parts) {
      if (!place(info.producer, i, part)) return false;
    }
    placement.passed.emplace_back(info.producer, std::move(passage));
    return true;
  }

  Placement placement;
  std::vector<Constant> constants;

 private:
  static size_t output_of(const Node& node, ValueId value) {
    return static_cast<size_t>(std::find(node.outputs.begin(), node.outputs.end(), value) -
                               node.outputs.begin());
  }

  const GraphData& graph_;
  const PassContext& context_;
};

// Whether no pass can change a linear layer's weight once it took the affine that is node `taken`: between it
// and the next layers, on both sides, there is no other affine, and no sum with what merge_branches would
// make one layer with it. Such a weight is rounded at once: in double, those of a whole network would need
// twice its memory.
class Settled {
 public:
  Settled(const GraphData& graph, NodeId layer, NodeId taken)
      : graph_(graph), x_(graph.node(layer).inputs[kX]), taken_(taken) {
    const std::vector<ValueId>& outputs = graph.node(layer).outputs;
    settled_ = graph.value(x_).type.dtype == DType::f32 && above(x_) &&
               std::all_of(outputs.begin(), outputs.end(), [&](ValueId y) { return below(y); });
  }
  explicit operator bool() const { return settled_; }

 private:
  bool is_linear(NodeId id) const { return id >= 0 && linear_view(graph_, graph_.node(id)).has_value(); }
  bool is_affine(NodeId id) const {
    return id >= 0 && id != taken_ && std::holds_alternative<ops::ScaleShift>(graph_.node(id).attributes);
  }

  bool above(ValueId value) {
    const NodeId id = value == kAbsent ? -1 : graph_.value(value).producer;
    if (id < 0 || is_linear(id) || !seen_.insert(value).second) return true;
    if (is_affine(id)) return false;
    const std::vector<ValueId>& inputs = graph_.node(id).inputs;
    return std::all_of(inputs.begin(), inputs.end(), [&](ValueId input) { return above(input); });
  }
  bool below(ValueId value) {
    if (!seen_.insert(value).second) return true;
    const std::vector<NodeId> readers = users(graph_, value);
    for (const NodeId id : readers) {
      if (is_linear(id)) continue;
      if (is_affine(id)) return false;
      const Node& node = graph_.node(id);
      if (is_sum(graph_, node)) {
        for (const ValueId summand : node.inputs) {
          if (summand != value && is_branch_of_x(summand)) return false;
        }
      }
      if (readers.size() > 1) continue;  // nothing moves up through a value that is needed elsewhere too
      for (const ValueId output : node.outputs) {
        if (!below(output)) return false;
      }
    }
    return true;
  }
  // Whether merge_branches could take the value, or a part of it, for a branch beside the layer.
  bool is_branch_of_x(ValueId value) {
    if (value == x_) return true;
    const NodeId id = graph_.value(value).producer;
    if (id < 0 || !seen_summands_.insert(value).second) return false;
    const Node& node = graph_.node(id);
    if (is_linear(id)) return node.inputs[kX] == x_;
    if (std::holds_alternative<ops::ScaleShift>(node.attributes)) return is_branch_of_x(node.inputs[kX]);
    return is_sum(graph_, node) && std::any_of(node.inputs.begin(), node.inputs.end(),
                                               [&](ValueId input) { return is_branch_of_x(input); });
  }

  const GraphData& graph_;
  ValueId x_;
  NodeId taken_;
  std::set<ValueId> seen_, seen_summands_;
  bool settled_;
};

void absorb(GraphData& graph, NodeId id, const Affine& affine, NodeId taken) {
  Node& node = graph.node(id);
  if (const ops::ScaleShift* before = plain_scale_shift(node)) {
    const auto dim = static_cast<int>(before->dim);
    const Shape& shape = graph.value(node.inputs[kX]).type.shape;
    set_affine(graph, node, *along(composed(affine_of(graph, node), affine), dim, shape[dim]));
  } else {
    absorb_after(graph, node, affine, Settled(graph, id, taken) ? DType::f32 : DType::f64);
  }
}

// The constant with the affine already applied.
void apply_to_constant(GraphData& graph, const Constant& constant) {
  Node& reader = graph.node(constant.reader);
  const ValueInfo& old = graph.value(reader.inputs[constant.input]);
  std::vector<double> values = constant_values(graph, reader.inputs[constant.input]);
  const std::vector<int64_t> at = places(constant.affine.shape, old.type.shape);
  for (size_t e = 0; e < values.size(); ++e) {
    const auto i = static_cast<size_t>(at[e]);
    values[e] = values[e] * constant.affine.scale[i] + constant.affine.shift[i];
  }
  const DType dtype = old.type.dtype;
  const ValueId made = add_constant(graph, old.name + ".folded",
                                    Tensor::from<double>(Shape(old.type.shape), values).to(dtype));
  reader.inputs[constant.input] = made;
}

std::string_view rule(const GraphData& graph, const Placement& placement) {
  for (const auto& [id, affine] : placement.absorbed) {
    if (plain_scale_shift(graph.node(id))) return "merged with the affine before it";
  }
  return "folded into weight and bias";
}

void run(GraphData& graph, PassContext& context) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!plain_scale_shift(graph.nodes[i]) || is_kept(context, graph.nodes[i].name)) continue;
    FoldEntry* entry = find_entry(context, graph.nodes[i].name);
    Search search(graph, context);
    if (!search.place(static_cast<NodeId>(i), kX, affine_of(graph, graph.nodes[i]))) {
      if (entry != nullptr) entry->reason = search.placement.refusal;
      continue;
    }
    const Placement& placement = search.placement;
    if (entry != nullptr) report_folded(*entry, graph, placement, rule(graph, placement));
    for (const auto& [id, part] : placement.absorbed) absorb(graph, id, part, static_cast<NodeId>(i));
    for (const Constant& constant : search.constants) apply_to_constant(graph, constant);
    for (const auto& [id, passage] : placement.passed) apply_passage(graph, graph.node(id), passage);
    rename_changed(graph, placement.absorbed);
    rename_changed(graph, placement.passed);
    Node& affine = graph.nodes[i];
    graph.value(affine.inputs[kX]).name = graph.value(affine.outputs[0]).name;
    bypass(graph, affine, affine.inputs[kX]);
  }
}

}  // namespace

const Pass kFoldBackward = {"fold_backward", run};

}  // namespace pleat
