#pragma once

#include "formats/onnx/graph_import.hpp"
#include "formats/onnx/node_view.hpp"

namespace pleat::formats {

/// An ONNX node while its rule turns it into nodes of ours. Inputs and outputs are counted as ONNX lists
/// them.
class NodeImport : public NodeView {
 public:
  NodeImport(const onnx::NodeProto& node, int opset, GraphImport& graph);

  int input_count() const { return node_.input_size(); }
  int output_count() const { return node_.output_size(); }
  bool has(int input) const;
  /// Whether the output is read by anyone.
  bool wants(int output) const;

  /// An input's value; Error where it is absent.
  ValueId in(int input);
  /// The same; kAbsent where it is.
  ValueId in_if(int input) { return has(input) ? in(input) : kAbsent; }
  /// Inputs that are trained, and that running changes: see GraphImport. kAbsent where they are.
  ValueId parameter(int input);
  ValueId statistic(int input);
  /// A parameter made from an input that is known.
  ValueId derived_parameter(int input, const std::string& form, const std::function<Tensor()>& make);
  /// What is known of an input already; nothing for an absent one, or if any element is unknown.
  std::optional<Tensor> known(int input);
  /// The same of an input that has to be known, named `what`.
  Tensor constant(int input, const char* what);
  std::vector<int64_t> constant_integers(int input, const char* what);
  double constant_number(int input, const char* what);

  Shape shape(int input) { return shape_of(in(input)); }
  DType dtype(int input);
  Shape shape_of(ValueId value) const { return type_of(value).shape; }
  /// Valid until a node or value is added.
  const ValueType& type_of(ValueId value) const { return graph_.graph().value(value).type; }
  /// Error unless every input that is there holds floats.
  void need_floats();
  /// An axis as it is counted from the front. Error where it is outside of the rank (or beyond it by `more`).
  int64_t axis(int64_t given, int rank, int more = 0) const;

  /// Adds a node; the values that it makes, or the first of them.
  std::vector<ValueId> add_all(ops::Attributes attributes, std::vector<ValueId> inputs);
  ValueId add(ops::Attributes attributes, std::vector<ValueId> inputs);
  /// Adds constants.
  ValueId add_data(Tensor data);
  ValueId add_integers(const std::vector<int64_t>& values);
  ValueId add_number(double value, DType dtype = DType::f32);

  GraphImport& importer() { return graph_; }
  const std::string& output_name(int output) const { return node_.output(output); }

 private:
  const onnx::NodeProto& node_;
  GraphImport& graph_;
};

}  // namespace pleat::formats
