#include "base/format.hpp"
#include "graph/edit.hpp"

namespace pleat {
namespace {

std::string quoted(const std::string& text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') out += '\\';
    out += c;
  }
  return out + '"';
}

}  // namespace

std::string print_dot(const GraphData& graph) {
  std::ostringstream out;
  out << "digraph {\n  rankdir=TB;\n  node [shape=box, style=rounded];\n";
  const auto source = [&](ValueId id) {
    const ValueInfo& value = graph.value(id);
    return value.kind == ValueKind::input ? concat("input", id) : concat("node", value.producer);
  };
  const auto edge = [&](ValueId id, const std::string& to) {
    out << "  " << source(id) << " -> " << to << " [label=" << quoted(graph.value(id).type.shape.str())
        << "];\n";
  };
  for (ValueId id : graph.inputs) {
    out << "  input" << id << " [shape=oval, label=" << quoted(graph.value(id).name) << "];\n";
  }
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const Node& node = graph.nodes[n];
    const std::string_view op = definition(node.attributes).name;
    out << "  node" << n << " [label=" << quoted(concat(node.name, " (", op, ")")) << "];\n";
    for (ValueId id : node.inputs) {
      const bool drawn = id != kAbsent && (graph.value(id).kind == ValueKind::input ||
                                           graph.value(id).kind == ValueKind::computed);
      if (drawn) edge(id, concat("node", n));
    }
  }
  for (size_t i = 0; i < graph.outputs.size(); ++i) {
    const ValueKind kind = graph.value(graph.outputs[i]).kind;
    out << "  output" << i << " [shape=oval, label=" << quoted(graph.output_names[i]) << "];\n";
    if (kind == ValueKind::input || kind == ValueKind::computed) edge(graph.outputs[i], concat("output", i));
  }
  out << "}\n";
  return out.str();
}

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
