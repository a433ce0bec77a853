#pragma once

#include <string>
#include <vector>

#include "ops/op.hpp"

namespace pleat {

using NodeId = int32_t;

enum class ValueKind : uint8_t {
  input,      ///< given at each run
  parameter,  ///< trainable
  state,      ///< changed by running: running statistics, counters, momentum buffers
  constant,   ///< known now and never changed
  computed,   ///< a node's output
};

/// How a parameter or state gets its first value.
struct Init {
  enum class Kind : uint8_t { constant, uniform, normal } kind = Kind::constant;
  double value =
      0;  ///< the constant; the bound of uniform(-value, value); the standard deviation of normal(0, value)
};

struct ValueInfo {
  std::string name = {};
  ValueType type = {};
  ValueKind kind = ValueKind::computed;
  NodeId producer = -1;  ///< of computed values
  Tensor data = {};      ///< of parameters, states and constants; shared between copies of a graph
  Init init = {};
  bool requires_grad = true;  ///< of parameters
  bool in_state_dict =
      true;  ///< of states: whether it is a running statistic of PyTorch's, or our own counter
};

struct Node {
  std::string name;
  ops::Attributes attributes;
  std::vector<ValueId> inputs, outputs;
};

/// A graph as data: nodes in topological order over values. Copies share tensors. See edit.hpp for changes
/// and verify.hpp for what must always hold.
struct GraphData {
  std::vector<ValueInfo> values;
  std::vector<Node> nodes;
  std::vector<ValueId> inputs, outputs;
  std::vector<std::string> output_names;  ///< one for each output

  const ValueInfo& value(ValueId id) const { return values[static_cast<size_t>(id)]; }
  ValueInfo& value(ValueId id) { return values[static_cast<size_t>(id)]; }
  const Node& node(NodeId id) const { return nodes[static_cast<size_t>(id)]; }
  Node& node(NodeId id) { return nodes[static_cast<size_t>(id)]; }
};

}  // namespace pleat
