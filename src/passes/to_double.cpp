#include "passes/to_double.hpp"

#include "graph/edit.hpp"
#include "ops/known.hpp"

namespace pleat {

GraphData to_double(const GraphData& graph) {
  GraphData copy = graph;
  for (ValueInfo& value : copy.values) {
    if (value.kind == ValueKind::computed) continue;
    const bool is_float = value.type.dtype == DType::f32;
    if (is_float) value.type.dtype = DType::f64;
    if (value.data.defined()) value.data = is_float ? value.data.to(DType::f64) : value.data.clone();
    if (value.type.known) value.type.known = known_value(value.data);
  }
  for (Node& node : copy.nodes) {
    auto* cast = std::get_if<ops::Cast>(&node.attributes);
    if (cast != nullptr && cast->to == DType::f32) cast->to = DType::f64;
    auto* filled = std::get_if<ops::FillShape>(&node.attributes);
    if (filled != nullptr && filled->dtype == DType::f32) filled->dtype = DType::f64;
  }
  infer_all(copy);
  return copy;
}

}  // namespace pleat
