#include "base/format.hpp"
#include "graph/edit.hpp"

namespace pleat {

std::string print(const GraphData& graph) {
  std::ostringstream out;
  for (ValueId id : graph.inputs) {
    const ValueInfo& input = graph.value(id);
    out << "input " << input.name << " " << name_of(input.type.dtype) << " " << input.type.shape.str()
        << "\n";
  }
  for (const Node& node : graph.nodes) {
    out << node.name << " = " << definition(node.attributes).name << "(";
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      out << (i > 0 ? ", " : "") << (node.inputs[i] == kAbsent ? "-" : graph.value(node.inputs[i]).name);
    }
    out << ")";
    for (ValueId id : node.outputs) out << " " << graph.value(id).type.shape.str();
    out << "\n";
  }
  for (ValueId id : graph.outputs) out << "output " << graph.value(id).name << "\n";
  return out.str();
}

}  // namespace pleat
