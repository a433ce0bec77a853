// Constants, names, types and choices: what leaves little behind in the graph.

#include "base/random.hpp"
#include "formats/onnx/operators.hpp"
#include "formats/onnx/tensor.hpp"

namespace pleat::formats {
namespace {

Tensor constant_value(NodeImport& node) {
  if (const onnx::TensorProto* value = node.tensor("value")) {
    return tensor_from_onnx(*value, node.importer().external(), "attribute value");
  }
  if (node.has_attribute("value_float")) {
    return Tensor::from<double>({}, {node.number("value_float", 0)}).to(DType::f32);
  }
  if (node.has_attribute("value_int")) return Tensor::from<int64_t>({}, {node.integer("value_int")});
  if (node.has_attribute("value_floats")) {
    const std::vector<float> values = node.numbers("value_floats");
    return Tensor::from<float>({static_cast<int64_t>(values.size())}, values);
  }
  if (node.has_attribute("value_ints")) {
    const std::vector<int64_t> values = node.integers("value_ints");
    return Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values);
  }
  node.fail("needs one of the attributes value, value_float(s) and value_int(s)");
}

std::vector<ValueId> constant(NodeImport& node) {
  Tensor value = constant_value(node);
  GraphImport& importer = node.importer();
  return {add_constant(importer.graph(), importer.unique_data_name(node.output_name(0)), std::move(value))};
}

std::vector<ValueId> identity(NodeImport& node) {
  return {node.in(0)};
}

ValueId cast(NodeImport& node, DType to) {
  if (to == DType::f64) node.fail("type DOUBLE is not supported");
  const std::optional<Tensor> known = node.known(0);
  if (known && known->dtype() == DType::f64) return node.add_data(known->to(to));
  return node.dtype(0) == to ? node.in(0) : node.add(ops::Cast{to}, {node.in(0)});
}

std::vector<ValueId> cast(NodeImport& node) {
  node.ignore("saturate");    // of 8-bit floats
  node.ignore("round_mode");  // of 8-bit exponents
  const int64_t to = node.integer("to");
  if (to < 0 || to > INT32_MAX) node.fail("attribute to: ", to, " is no type");
  return {cast(node, dtype_from_onnx(static_cast<int32_t>(to), "attribute to"))};
}

std::vector<ValueId> cast_like(NodeImport& node) {
  node.ignore("saturate");
  node.ignore("round_mode");
  return {cast(node, node.dtype(1))};
}

// The branch that a constant condition chooses stands in the node's place.
std::vector<ValueId> choose(NodeImport& node) {
  const Tensor condition = node.constant(0, "the condition");
  if (condition.dtype() != DType::boolean || condition.numel() != 1) {
    node.fail("the condition must be one BOOL, got ", name_of(condition.dtype()), " ",
              condition.shape().str());
  }
  const onnx::GraphProto &yes = node.graph("then_branch"), &no = node.graph("else_branch");
  const bool chosen = *std::as_const(condition).data<bool>();
  std::vector<ValueId> outputs = node.importer().inline_branch(chosen ? yes : no);
  if (static_cast<int>(outputs.size()) != node.output_count()) {
    node.fail("the branch has ", outputs.size(), " outputs, the node ", node.output_count());
  }
  return outputs;
}

/// Whether running the model as it is would drop elements at random.
bool drops(NodeImport& node) {
  if (node.opset() < 7) return !node.flag("is_test", false);
  if (!node.has(2)) return false;
  const Tensor training = node.constant(2, "training_mode");
  if (training.dtype() != DType::boolean || training.numel() != 1)
    node.fail("training_mode must be one BOOL");
  return *std::as_const(training).data<bool>();
}

// The mask of an inference: nothing is dropped.
ValueId full_mask(NodeImport& node) {
  const ValueId shape = node.add(ops::ShapeOf{}, {node.in(0)});
  return node.add(ops::FillShape{node.opset() < 10 ? DType::f32 : DType::boolean, 1}, {shape});
}

// An attribute before 12, then an input; nothing for one that is given at each run.
std::optional<double> drop_ratio(NodeImport& node) {
  if (node.opset() < 12) return node.number("ratio", 0.5);
  if (!node.has(1)) return 0.5;
  if (!node.known(1)) return std::nullopt;
  return node.constant_number(1, "ratio");
}

std::vector<ValueId> dropout(NodeImport& node) {
  node.ignore("seed");
  node.ignore("consumed_inputs");
  const std::optional<double> ratio = drop_ratio(node);
  if (drops(node) && ratio != 0) node.fail("training_mode: dropping in inference is not supported");
  if (node.dtype(0) != DType::f32) node.fail("its input 0 must hold FLOAT, not ", name_of(node.dtype(0)));
  const ValueId mask = node.wants(1) ? full_mask(node) : kAbsent;
  if (!ratio) return {node.in(0), mask};
  GraphImport& importer = node.importer();
  const ValueId counter = add_state(
      importer.graph(), importer.unique_data_name(node.output_name(0) + ".counter"), {DType::i64, {}}, {});
  importer.graph().value(counter).in_state_dict = false;
  const ops::Dropout rule{.p = *ratio, .seed = Random::mix(0, static_cast<uint64_t>(counter))};
  return {node.add(rule, {node.in(0), counter}), mask};
}

}  // namespace

std::span<const Operator> control_operators() {
  static constexpr Operator kOperators[] = {
      {"Constant", 1, kLastOpset, constant}, {"Identity", 1, kLastOpset, identity},
      {"Cast", 1, kLastOpset, cast},         {"CastLike", 15, kLastOpset, cast_like},
      {"If", 1, kLastOpset, choose},         {"Dropout", 1, kLastOpset, dropout}};
  return kOperators;
}

}  // namespace pleat::formats
