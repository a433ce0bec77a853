#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <unordered_map>
#include <unordered_set>

#include "formats/onnx/external_data.hpp"
#include "graph/edit.hpp"
#include "onnx.pb.h"

namespace pleat::formats {

/// An ONNX graph on its way into ours: which of our values stands for each ONNX name.
class GraphImport {
 public:
  GraphImport(ExternalData& external, int opset) : external_(external), opset_(opset) {}

  /// The whole of a model's graph. Takes the initializers' data out of the message as it goes.
  void read(onnx::GraphProto& message);
  /// The nodes of a branch that was chosen, in the place of the node that chose; its outputs.
  std::vector<ValueId> inline_branch(const onnx::GraphProto& message);

  GraphData& graph() { return graph_; }
  ExternalData& external() { return external_; }

  /// The value of that name. An initializer becomes a constant.
  ValueId value(const std::string& name);
  /// The same where it is trained: a constant of floats becomes a parameter.
  ValueId parameter(const std::string& name);
  /// The same where running changes it: a constant becomes a state, or a copy of it, if others read it.
  ValueId statistic(const std::string& name);
  /// What is known of the value already: every element of it. Makes no value of an initializer.
  std::optional<Tensor> known(const std::string& name);
  /// A parameter made from the known value of that name, and kept for others who ask for the same `form` of
  /// it.
  ValueId derived_parameter(const std::string& name, const std::string& form,
                            const std::function<Tensor()>& make);

  /// The name itself where no other node (parameter, state or constant) has it yet, else with a number.
  std::string unique_node_name(const std::string& name);
  std::string unique_data_name(const std::string& name);
  /// Whether any node, or the graph's outputs, read the value of that name.
  bool is_read(const std::string& name) const { return read_names_.count(name) > 0; }

 private:
  /// A name's value, once somebody has asked for it; until then an initializer's message, or its data.
  struct Bound {
    ValueId value = kAbsent;
    onnx::TensorProto* message = nullptr;
    Tensor data = {};
  };

  void note_reads(const onnx::GraphProto& message);
  void read_initializers(onnx::GraphProto& message);
  void read_input(const onnx::ValueInfoProto& message);
  void read_nodes(const onnx::GraphProto& message);
  void read_node(const onnx::NodeProto& message);
  Bound& bind(const std::string& name, Bound bound);
  Bound& find(const std::string& name);
  const Tensor& data_of(const std::string& name, Bound& bound);

  ExternalData& external_;
  int opset_;
  GraphData graph_;
  std::unordered_map<std::string, Bound> names_;
  std::vector<std::string> order_;  // of the names that were bound, so that a branch's can be dropped
  std::map<std::pair<std::string, std::string>, ValueId> derived_;
  std::unordered_set<std::string> read_names_, node_names_, data_names_;
};

}  // namespace pleat::formats
