// merge_scale_shift: two per-channel affines in a row are one.
//   Before: y = (x * s1 + t1) * s2 + t2
//   After:  y = x * (s1 * s2) + (t1 * s2 + t2)

#include "graph/edit.hpp"
#include "passes/affine.hpp"
#include "passes/scale_shift.hpp"

namespace pleat {
namespace {

using namespace scale_shift;

void run(GraphData& graph, PassContext& context) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (!plain_scale_shift(graph.nodes[i])) continue;
    const ValueId x = graph.nodes[i].inputs[kX];
    const NodeId producer = graph.value(x).producer;
    if (producer < 0 || !plain_scale_shift(graph.node(producer)) ||
        !only_user_is(graph, x, static_cast<NodeId>(i))) {
      continue;
    }
    Node &first = graph.node(producer), &second = graph.nodes[i];
    std::vector<double> scale = constant_values(graph, first.inputs[kScale]);
    std::vector<double> shift = constant_values(graph, first.inputs[kShift]);
    const std::vector<double> scale2 = constant_values(graph, second.inputs[kScale]);
    const std::vector<double> shift2 = constant_values(graph, second.inputs[kShift]);
    for (size_t c = 0; c < scale.size(); ++c) {
      scale[c] *= scale2[c];
      shift[c] = shift[c] * scale2[c] + shift2[c];
    }
    if (FoldEntry* entry = find_entry(context, second.name)) {
      *entry = {second.name, true, first.name, "merged with the affine before it"};
    }
    second.inputs[kScale] = add_vector(graph, first.name + ".scale", scale, DType::f64);
    second.inputs[kShift] = add_vector(graph, first.name + ".shift", shift, DType::f64);
    std::swap(second.name, first.name);
    bypass(graph, first, first.inputs[kX]);
  }
}

}  // namespace

const Pass kMergeScaleShift = {"merge_scale_shift", run};

}  // namespace pleat
