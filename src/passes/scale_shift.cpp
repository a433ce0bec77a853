#include "passes/scale_shift.hpp"

#include <algorithm>

namespace pleat {

using namespace scale_shift;

const ops::ScaleShift* plain_scale_shift(const Node& node) {
  const auto* found = std::get_if<ops::ScaleShift>(&node.attributes);
  const bool plain = found != nullptr && !node.inputs.empty() && found->activation == Activation::none &&
                     input_of(node, kResidual) == kAbsent && input_of(node, kCenter) == kAbsent;
  return plain ? found : nullptr;
}

Affine affine_of(const GraphData& graph, const Node& node) {
  const auto dim = static_cast<int>(std::get<ops::ScaleShift>(node.attributes).dim);
  Affine affine = identity_affine(graph.value(node.inputs[kX]).type.shape.rank());
  affine.scale = constant_values(graph, node.inputs[kScale]);
  affine.shift = constant_values(graph, node.inputs[kShift]);
  affine.shape[dim] = static_cast<int64_t>(affine.scale.size());
  return compacted(std::move(affine));
}

void set_affine(GraphData& graph, Node& node, const Affine& channels) {
  set_input(node, kScale, add_vector(graph, node.name + ".scale", channels.scale, DType::f64));
  set_input(node, kShift, add_vector(graph, node.name + ".shift", channels.shift, DType::f64));
}

FoldEntry* find_entry(PassContext& context, const std::string& layer) {
  auto& entries = context.report.entries;
  const auto it =
      std::find_if(entries.begin(), entries.end(), [&](const FoldEntry& e) { return e.layer == layer; });
  return it == entries.end() ? nullptr : &*it;
}

bool is_kept(const PassContext& context, const std::string& layer) {
  return std::find(context.keep.begin(), context.keep.end(), layer) != context.keep.end();
}

}  // namespace pleat
