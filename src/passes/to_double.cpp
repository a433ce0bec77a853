#include "passes/to_double.hpp"

#include "graph/edit.hpp"

namespace pleat {

GraphData to_double(const GraphData& graph) {
  GraphData copy = graph;
  for (ValueInfo& value : copy.values) {
    if (value.kind == ValueKind::computed || value.type.dtype != DType::f32) continue;
    value.type.dtype = DType::f64;
    if (value.data.defined()) value.data = value.data.to(DType::f64);
  }
  infer_all(copy);
  return copy;
}

}  // namespace pleat
