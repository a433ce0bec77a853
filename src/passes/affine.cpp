#include "passes/affine.hpp"

#include "graph/edit.hpp"

namespace pleat {

std::vector<double> constant_values(const GraphData& graph, ValueId constant) {
  const Tensor values = graph.value(constant).data.to(DType::f64);
  const std::span<const double> span = values.span<double>();
  return {span.begin(), span.end()};
}

ValueId add_vector(GraphData& graph, std::string name, std::span<const double> values, DType dtype) {
  const Tensor data =
      Tensor::from<double>({static_cast<int64_t>(values.size())}, {values.begin(), values.end()});
  return add_constant(graph, std::move(name), data.to(dtype));
}

bool is_constant(const GraphData& graph, ValueId value) {
  return value != kAbsent && graph.value(value).kind == ValueKind::constant;
}

}  // namespace pleat
