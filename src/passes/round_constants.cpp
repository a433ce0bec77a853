// round_constants: what passes computed in double is rounded once, when nothing changes it any more.
//   Before: y = conv(x, W, b, pad), weights f64
//   After:  the same with f32. What stayed a ScaleShift is left to round_scale_shift.

#include <map>

#include "graph/edit.hpp"
#include "passes/affine.hpp"
#include "passes/pass.hpp"

namespace pleat {
namespace {

bool is_double_constant(const GraphData& graph, ValueId value) {
  return is_constant(graph, value) && graph.value(value).type.dtype == DType::f64;
}

void run(GraphData& graph, PassContext&) {
  std::map<ValueId, ValueId> rounded;  // a shared constant stays shared
  for (Node& node : graph.nodes) {
    const ValueId x = input_of(node, 0);
    if (std::holds_alternative<ops::ScaleShift>(node.attributes) || x == kAbsent ||
        graph.value(x).type.dtype != DType::f32) {
      continue;
    }
    for (ValueId& input : node.inputs) {
      if (!is_double_constant(graph, input)) continue;
      const auto [it, added] = rounded.try_emplace(input, kAbsent);
      if (added) {
        const ValueInfo& exact = graph.value(input);
        const std::string name = exact.name;
        it->second = add_constant(graph, name, exact.data.to(DType::f32));
      }
      input = it->second;
    }
  }
}

}  // namespace

const Pass kRoundConstants = {"round_constants", run};

}  // namespace pleat
