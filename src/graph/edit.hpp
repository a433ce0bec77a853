#pragma once

#include <string>
#include <vector>

#include "graph/graph_data.hpp"

namespace pleat {

// Building and changing graphs. A pass edits nodes in place, appends new ones and then calls tidy().

ValueId add_input(GraphData& graph, std::string name, ValueType type);
ValueId add_parameter(GraphData& graph, std::string name, Shape shape, Init init);
ValueId add_state(GraphData& graph, std::string name, ValueType type, Init init);
ValueId add_constant(GraphData& graph, std::string name, Tensor data);

/// Appends a node; its outputs, whose types the op's shape rule gives. Error names the node.
std::vector<ValueId> add_node(GraphData& graph, std::string name, ops::Attributes attributes,
                              std::vector<ValueId> inputs);

/// The types of a node's outputs, given those of its inputs. Error names the node.
std::vector<ValueType> infer_types(const GraphData& graph, const Node& node);
/// Infers every computed value's type again, after inputs or attributes changed; a node that now makes more
/// or fewer values gets them.
void infer_all(GraphData& graph);

/// A node's i-th input, kAbsent where the list ends before it.
ValueId input_of(const Node& node, size_t i);
/// Nodes that read the value, in order; one that reads it twice stands twice.
std::vector<NodeId> users(const GraphData& graph, ValueId value);
bool is_output(const GraphData& graph, ValueId value);
/// Whether `node` alone reads the value, once, and it is no output of the graph.
bool only_user_is(const GraphData& graph, ValueId value, NodeId node);
/// Every reader of `from`, and the graph's outputs, read `to` instead.
void replace_uses(GraphData& graph, ValueId from, ValueId to);

/// Takes a node out: readers of its first output read `value` instead. It stays in its place, without inputs,
/// until tidy().
void bypass(GraphData& graph, Node& node, ValueId value);
/// Whether the node was taken out.
inline bool is_bypassed(const Node& node) {
  return node.inputs.empty();
}

/// Removes nodes whose outputs nobody reads and which change nothing, and puts the rest into topological
/// order, as close to the present order as can be.
void tidy(GraphData& graph);

/// Throws Error where the graph breaks a rule: each input exists and is made before it is read, outputs know
/// their producer, types are what the shape rules give. `after` says who changed it last.
void verify(const GraphData& graph, std::string_view after);

/// One node a line: name, op, inputs, output shapes.
std::string print(const GraphData& graph);
/// A box a node, an arrow a value with its shape, in Graphviz's language; weights are not drawn.
std::string print_dot(const GraphData& graph);

/// Gives parameters and states that have no data yet their first values, each from a random stream of its
/// own.
void initialize(GraphData& graph, uint64_t seed);

}  // namespace pleat
