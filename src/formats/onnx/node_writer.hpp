#pragma once

#include <concepts>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "graph/graph_data.hpp"
#include "onnx.pb.h"

namespace pleat::formats {

/// Names of ONNX values; an empty one stands for an optional input that is absent.
using Names = std::vector<std::string>;

struct OnnxAttribute {
  OnnxAttribute(const char* name, std::integral auto value) : OnnxAttribute(name, onnx::AttributeProto::INT) {
    proto.set_i(static_cast<int64_t>(value));
  }
  OnnxAttribute(const char* name, double value);
  OnnxAttribute(const char* name, const std::string& value);
  OnnxAttribute(const char* name, const std::vector<int64_t>& values);
  OnnxAttribute(const char* name, const Tensor& value);

  onnx::AttributeProto proto;

 private:
  OnnxAttribute(const char* name, onnx::AttributeProto::AttributeType type);
};
using OnnxAttributes = std::vector<OnnxAttribute>;

/// An ONNX graph while it is written: which name stands for which value, and the tensors that it needs.
class GraphWriter {
 public:
  /// Names the graph's inputs and outputs, which keep theirs; other values get out of their way.
  GraphWriter(const GraphData& graph, int opset, onnx::GraphProto& proto);

  /// The ONNX name of a value that is there already. A tensor of the graph's becomes an initializer.
  const std::string& name_of(ValueId value);
  /// Calls what `names` stand for the node's outputs.
  void set_outputs(const Node& node, int first_onnx_node, const Names& names);
  /// Graph outputs that are no node's own: inputs, constants, one value under two names.
  void finish_outputs();

  /// A name that no other value has.
  std::string unique(const std::string& wanted);
  /// An initializer; equal small ones are one.
  std::string constant(const Tensor& tensor);

  const GraphData& graph;
  const int opset;
  onnx::GraphProto& proto;
  std::vector<std::pair<std::string, Tensor>> initializers;

 private:
  void rename(int first_onnx_node, const std::string& from, const std::string& to);

  std::vector<std::string> names_;               // by ValueId; empty: none yet
  std::map<ValueId, std::string> output_names_;  // of computed values that are outputs
  std::set<std::string> taken_;
  std::map<std::string, std::string> small_constants_;  // by type, shape and bytes
};

/// One Pleat node while it becomes ONNX nodes.
class NodeWriter {
 public:
  NodeWriter(GraphWriter& graph, const Node& node) : graph_(graph), node_(node) {}

  int opset() const { return graph_.opset; }
  size_t input_count() const { return node_.inputs.size(); }
  size_t output_count() const { return node_.outputs.size(); }
  bool has(size_t i) const { return i < node_.inputs.size() && node_.inputs[i] != kAbsent; }
  const ValueType& type(size_t i) const { return graph_.graph.value(node_.inputs[i]).type; }
  const Shape& shape(size_t i) const { return type(i).shape; }
  const Shape& out_shape(size_t i = 0) const { return graph_.graph.value(node_.outputs[i]).type.shape; }
  DType out_dtype(size_t i = 0) const { return graph_.graph.value(node_.outputs[i]).type.dtype; }

  /// Input i's name; empty for an absent one.
  std::string in(size_t i);
  /// Input i as that type: a constant is converted, anything else is cast.
  std::string in_as(size_t i, DType dtype);
  /// A parameter's, state's or constant's elements, or null.
  const Tensor* data(size_t i) const;
  /// The elements of an input of whole numbers; nullopt unless all are known.
  std::optional<std::vector<int64_t>> known(size_t i) const;

  /// Adds a node of the type `op`; the name of its output.
  std::string add(const char* op, Names inputs, const OnnxAttributes& attributes = {});
  Names add(const char* op, Names inputs, const OnnxAttributes& attributes, size_t outputs);

  std::string constant(const Tensor& tensor) { return graph_.constant(tensor); }
  /// A scalar of the first input's type.
  std::string number(double value);
  std::string integers(const std::vector<int64_t>& values);

 private:
  GraphWriter& graph_;
  const Node& node_;
};

}  // namespace pleat::formats
