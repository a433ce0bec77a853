// fold_forward: every reader of an affine takes it into its weight, bias and padding.
//   Before: y = conv(f(x * s + t), W) + b         (linear alike)
//   After:  y = conv(f(x), W') + b', W'[o,i] = W[o,i] * s[i], b'[o] = b[o] + sum_i W[o,i] * t[i], x padded
//   with -t[i] / s[i], which the affine would make the 0 of before; in double
// f: any number of nodes that affines can pass (commute.hpp). Comes after fold_backward, for what is left.
// Where a mean is far above the deviation the affine stays: (x - mean) * s is exact, x * s - mean * s is not.

#include <algorithm>
#include <cmath>

#include "base/format.hpp"
#include "graph/edit.hpp"
#include "passes/linear_view.hpp"
#include "passes/placement.hpp"
#include "passes/scale_shift.hpp"

namespace pleat {
namespace {

using namespace scale_shift;

// Each doubling of |mean| / deviation costs one of float's 24 bits.
constexpr double kLargestOffset = 16;

class Search {
 public:
  Search(const GraphData& graph, const PassContext& context) : graph_(graph), context_(context) {}

  // Hands the affine of a value to all who read it. False: placement.refusal says why.
  bool hand_on(ValueId value, const Affine& affine) {
    if (!affine.scales() && !affine.shifts()) return true;
    if (is_output(graph_, value))
      return placement.refuse(concat(graph_.value(value).name, " is an output of the graph"));
    for (const NodeId reader : users(graph_, value)) {
      const Node& node = graph_.node(reader);
      if (std::count(node.inputs.begin(), node.inputs.end(), value) > 1)
        return placement.refuse(concat(node.name, " reads it more than once"));
      if (!hand_to(reader, value, affine)) return false;
    }
    return true;
  }

  Placement placement;

 private:
  bool hand_to(NodeId id, ValueId value, const Affine& affine) {
    const Node& node = graph_.node(id);
    const auto input =
        static_cast<size_t>(std::find(node.inputs.begin(), node.inputs.end(), value) - node.inputs.begin());
    if (linear_view(graph_, node)) {
      if (input != LinearView::kX) return placement.refuse(concat(node.name, " reads it as its weight"));
      const std::string reason = cannot_absorb_before(graph_, node, affine);
      if (!reason.empty()) return placement.refuse(reason);
      placement.absorbed.emplace_back(id, affine);
      return true;
    }
    if (const ops::ScaleShift* next = plain_scale_shift(node)) {
      const auto dim = static_cast<int>(next->dim);
      if (is_kept(context_, node.name) || !along(affine, dim, graph_.value(value).type.shape[dim]))
        return placement.refuse(concat(node.name, " stays as it is"));
      placement.absorbed.emplace_back(id, affine);
      return true;
    }
    Passage passage = move_down(graph_, node, input, affine);
    if (!passage.refusal.empty()) return placement.refuse(passage.refusal);
    for (const auto& [i, part] : passage.parts) {
      if (!hand_on(node.outputs[i], part)) return false;
    }
    placement.passed.emplace_back(id, std::move(passage));
    return true;
  }

  const GraphData& graph_;
  const PassContext& context_;
};

void absorb(GraphData& graph, NodeId id, const Affine& affine) {
  Node& node = graph.node(id);
  if (const ops::ScaleShift* next = plain_scale_shift(node)) {
    const auto dim = static_cast<int>(next->dim);
    const Shape& shape = graph.value(node.inputs[kX]).type.shape;
    set_affine(graph, node, *along(composed(affine, affine_of(graph, node)), dim, shape[dim]));
  } else {
    absorb_before(graph, node, affine);
  }
}

std::string_view rule(const GraphData& graph, const Placement& placement) {
  std::string_view rule = "forward into weight and bias";
  for (const auto& [id, affine] : placement.absorbed) {
    const auto view = linear_view(graph, graph.node(id));
    if (!view) return "merged with the affine after it";
    if (view->padded && affine.shifts()) rule = "forward into weight, bias and padding";
  }
  return rule;
}

void run(GraphData& graph, PassContext& context) {
  for (size_t n = graph.nodes.size(); n-- > 0;) {  // the last of several in a row first
    if (!plain_scale_shift(graph.nodes[n]) || is_kept(context, graph.nodes[n].name)) continue;
    FoldEntry* entry = find_entry(context, graph.nodes[n].name);
    Search search(graph, context);
    bool found = search.hand_on(graph.nodes[n].outputs[0], affine_of(graph, graph.nodes[n]));
    if (found && entry != nullptr && entry->largest_offset > kLargestOffset) {
      search.placement.refusal = concat("folded forward, a mean ", std::lround(entry->largest_offset),
                                        " times the deviation would cost accuracy");
      found = false;
    }
    if (!found) {
      if (entry != nullptr) entry->reason += concat("; ", search.placement.refusal);
      continue;
    }
    const Placement& placement = search.placement;
    if (entry != nullptr) report_folded(*entry, graph, placement, rule(graph, placement));
    for (const auto& [id, part] : placement.absorbed) absorb(graph, id, part);
    for (const auto& [id, passage] : placement.passed) apply_passage(graph, graph.node(id), passage);
    rename_changed(graph, placement.passed);
    Node& affine = graph.nodes[n];
    bypass(graph, affine, affine.inputs[kX]);
  }
}

}  // namespace

const Pass kFoldForward = {"fold_forward", run};

}  // namespace pleat
