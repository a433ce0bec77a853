#include "passes/scale_shift.hpp"

#include <algorithm>

namespace pleat {

const ops::ScaleShift* plain_scale_shift(const Node& node) {
  const auto* found = std::get_if<ops::ScaleShift>(&node.attributes);
  const bool plain = found != nullptr && !node.inputs.empty() && found->activation == Activation::none &&
                     node.inputs[scale_shift::kResidual] == kAbsent &&
                     node.inputs[scale_shift::kCenter] == kAbsent;
  return plain ? found : nullptr;
}

FoldEntry* find_entry(PassContext& context, const std::string& layer) {
  auto& entries = context.report.entries;
  const auto it =
      std::find_if(entries.begin(), entries.end(), [&](const FoldEntry& e) { return e.layer == layer; });
  return it == entries.end() ? nullptr : &*it;
}

}  // namespace pleat
