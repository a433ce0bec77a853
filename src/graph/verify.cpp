#include <algorithm>

#include "base/format.hpp"
#include "graph/edit.hpp"

namespace pleat {

void verify(const GraphData& graph, std::string_view after) {
  const auto broken = [&](const auto&... what) { fail("graph, after ", after, ": ", what...); };
  std::vector<bool> known(graph.values.size());
  for (size_t i = 0; i < known.size(); ++i) {
    const ValueInfo& value = graph.values[i];
    known[i] = value.kind != ValueKind::computed;
    if (value.kind == ValueKind::constant && !value.data.defined())
      broken("constant ", value.name, " has no data");
    if (value.data.defined() && value.data.shape() != value.type.shape) {
      broken(value.name, " is ", value.type.shape.str(), " but holds ", value.data.shape().str());
    }
  }
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    for (ValueId input : node.inputs) {
      if (input != kAbsent && !known[static_cast<size_t>(input)]) {
        broken(node.name, " reads ", graph.value(input).name, " before it is made");
      }
    }
    const std::vector<ValueType> types = infer_types(graph, node);
    if (types.size() != node.outputs.size()) broken(node.name, " should make ", types.size(), " values");
    for (size_t j = 0; j < types.size(); ++j) {
      const ValueInfo& output = graph.value(node.outputs[j]);
      if (output.producer != static_cast<NodeId>(i))
        broken(output.name, " does not know its producer ", node.name);
      if (output.type != types[j]) {
        broken(node.name, " makes ", types[j].shape.str(), ", recorded as ", output.type.shape.str());
      }
      known[static_cast<size_t>(node.outputs[j])] = true;
    }
  }
  for (ValueId output : graph.outputs) {
    if (!known[static_cast<size_t>(output)]) broken("output ", graph.value(output).name, " is never made");
  }
}

}  // namespace pleat
