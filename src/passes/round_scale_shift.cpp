// round_scale_shift: affines that stayed get constants for float arithmetic, rounded once.
//   Before: y = x * s + t, s and t f64
//   After:  y = (x - c) * s + t', c = float(-t / s) where y crosses zero, t' = t + c * s: nothing cancels
//   even where
//           |mean| is far above the standard deviation

#include <cmath>

#include "graph/edit.hpp"
#include "passes/scale_shift.hpp"

namespace pleat {
namespace {

using namespace scale_shift;

void run(GraphData& graph, PassContext&) {
  for (Node& node : graph.nodes) {
    if (!std::holds_alternative<ops::ScaleShift>(node.attributes) || input_of(node, kCenter) != kAbsent)
      continue;
    const std::vector<double> scale = constant_values(graph, node.inputs[kScale]);
    std::vector<double> shift = constant_values(graph, node.inputs[kShift]), center(scale.size(), 0.0);
    for (size_t c = 0; c < scale.size(); ++c) {
      const double rounded_scale = static_cast<float>(scale[c]);
      const double crossing = rounded_scale != 0 ? static_cast<float>(-shift[c] / rounded_scale) : 0;
      if (!std::isfinite(crossing)) continue;
      center[c] = crossing;
      shift[c] += crossing * scale[c];
    }
    node.inputs[kCenter] = add_vector(graph, node.name + ".center", center, DType::f32);
    node.inputs[kScale] = add_vector(graph, node.name + ".scale", scale, DType::f32);
    node.inputs[kShift] = add_vector(graph, node.name + ".shift", shift, DType::f32);
  }
}

}  // namespace

const Pass kRoundScaleShift = {"round_scale_shift", run};

}  // namespace pleat
