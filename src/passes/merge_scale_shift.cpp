// merge_scale_shift: two per-channel affines in a row are one, and one that is nothing goes.
//   Before: y = (x * s1 + t1) * s2 + t2,  z = x * 1 + 0
//   After:  y = x * (s1 * s2) + (t1 * s2 + t2),  z = x

#include <algorithm>

#include "graph/edit.hpp"
#include "passes/scale_shift.hpp"

namespace pleat {
namespace {

using namespace scale_shift;

// The two as one, if they are of one dimension.
std::optional<Affine> both(const GraphData& graph, const Node& first, const Node& second) {
  const auto dim = static_cast<int>(std::get<ops::ScaleShift>(first.attributes).dim);
  return along(composed(affine_of(graph, first), affine_of(graph, second)), dim,
               graph.value(first.inputs[kX]).type.shape[dim]);
}

void report(PassContext& context, const Node& first, const Node& second, const Affine& merged) {
  FoldEntry *one = find_entry(context, first.name), *two = find_entry(context, second.name);
  if (two == nullptr) return;
  if (one != nullptr) {
    const bool known = one->kind == FoldKind::batch_norm || two->kind == FoldKind::batch_norm;
    one->largest_offset = known ? std::max(one->largest_offset, two->largest_offset) : largest(merged.shift);
  }
  two->folded = true;
  two->target = first.name;
  two->reason = "merged with the affine before it";
}

void run(GraphData& graph, PassContext& context) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!plain_scale_shift(graph.nodes[i]) || is_kept(context, graph.nodes[i].name)) continue;
    const ValueId x = graph.nodes[i].inputs[kX];
    const Affine affine = affine_of(graph, graph.nodes[i]);
    if (!affine.scales() && !affine.shifts()) {
      if (FoldEntry* entry = find_entry(context, graph.nodes[i].name)) {
        entry->folded = true;
        entry->target = graph.value(x).name;
        entry->reason = "changes nothing";
      }
      bypass(graph, graph.nodes[i], x);
      continue;
    }
    const NodeId producer = graph.value(x).producer;
    if (producer < 0 || !plain_scale_shift(graph.node(producer)) ||
        is_kept(context, graph.node(producer).name) || !only_user_is(graph, x, static_cast<NodeId>(i))) {
      continue;
    }
    Node &first = graph.node(producer), &second = graph.nodes[i];
    const auto merged = both(graph, first, second);
    if (!merged) continue;
    report(context, first, second, *merged);
    second.attributes = first.attributes;
    std::swap(second.name, first.name);
    set_affine(graph, second, *merged);
    bypass(graph, first, first.inputs[kX]);
  }
}

}  // namespace

const Pass kMergeScaleShift = {"merge_scale_shift", run};

}  // namespace pleat
