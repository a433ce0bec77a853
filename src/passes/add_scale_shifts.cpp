// add_scale_shifts: a sum of values that are scaled alike is scaled once.
//   Before: y = (a * s + t1) + (b * s + t2)
//   After:  y = (a + b) * s + (t1 + t2)

#include "graph/edit.hpp"
#include "passes/commute.hpp"
#include "passes/scale_shift.hpp"

namespace pleat {
namespace {

using namespace scale_shift;

// The ScaleShift that makes one side of the sum and nothing else.
NodeId scaled_side(const GraphData& graph, const PassContext& context, NodeId sum, size_t side) {
  const ValueId value = graph.node(sum).inputs[side];
  const NodeId producer = graph.value(value).producer;
  const bool found = producer >= 0 && plain_scale_shift(graph.node(producer)) &&
                     only_user_is(graph, value, sum) && !is_kept(context, graph.node(producer).name);
  return found ? producer : -1;
}

void add_first(GraphData& graph, PassContext& context, NodeId sum, NodeId first, NodeId second) {
  const auto dim = static_cast<int>(std::get<ops::ScaleShift>(graph.node(first).attributes).dim);
  const Affine one = affine_of(graph, graph.node(first)), two = affine_of(graph, graph.node(second));
  const ValueId a = graph.node(first).inputs[kX], b = graph.node(second).inputs[kX];
  const int64_t size = graph.value(a).type.shape[dim];
  const auto channels = along(one, dim, size), more = along(two, dim, size);
  if (!channels || !more || channels->scale != more->scale) return;
  if (graph.value(a).type != graph.value(b).type) return;
  Affine both = *channels;
  for (size_t c = 0; c < both.shift.size(); ++c) both.shift[c] += more->shift[c];
  if (FoldEntry* entry = find_entry(context, graph.node(second).name)) {
    entry->folded = true;
    entry->target = graph.node(first).name;
    entry->reason =
        "moved behind " + graph.node(sum).name + ", merged with the same affine of the other side";
  }
  const ValueId added = add_node(graph, graph.node(sum).name, ops::Add{}, {a, b})[0];
  Node& scaled = graph.node(sum);
  scaled.name = graph.node(first).name;
  scaled.attributes = ops::ScaleShift{.dim = dim};
  scaled.inputs = {added, kAbsent, kAbsent, kAbsent, kAbsent};
  set_affine(graph, scaled, both);
}

void run(GraphData& graph, PassContext& context) {
  const size_t count = graph.nodes.size();
  for (size_t i = 0; i < count; ++i) {
    const auto sum = static_cast<NodeId>(i);
    if (!is_sum(graph, graph.node(sum))) continue;
    const NodeId first = scaled_side(graph, context, sum, 0), second = scaled_side(graph, context, sum, 1);
    if (first >= 0 && second >= 0) add_first(graph, context, sum, first, second);
  }
}

}  // namespace

const Pass kAddScaleShifts = {"add_scale_shifts", run};

}  // namespace pleat
