// What changes a value's shape, tells it, or makes values of a shape.

#include "formats/onnx/operators.hpp"
#include "formats/onnx/tensor.hpp"

namespace pleat::formats {
namespace {

std::vector<ValueId> flatten(NodeImport& node) {
  const int rank = node.shape(0).rank();
  const int64_t axis = node.axis(node.integer("axis", 1), rank, 1);
  return {node.add(ops::Flatten{axis, axis != 1 || rank < 2}, {node.in(0)})};
}

std::vector<ValueId> reshape(NodeImport& node) {
  const ops::Reshape rule{.allow_zero = node.flag("allowzero", false)};
  return {node.add(rule, {node.in(0), node.in(1)})};
}

// Axes were an attribute before they became an input.
ValueId read_axes(NodeImport& node) {
  if (node.opset() >= 13) return node.in_if(1);
  const auto axes = node.optional_integers("axes");
  return axes ? node.add_integers(*axes) : kAbsent;
}

std::vector<ValueId> squeeze(NodeImport& node) {
  return {node.add(ops::Squeeze{}, {node.in(0), read_axes(node)})};
}

std::vector<ValueId> unsqueeze(NodeImport& node) {
  const ValueId axes = read_axes(node);
  if (axes == kAbsent) node.fail("its axes are missing");
  return {node.add(ops::Unsqueeze{}, {node.in(0), axes})};
}

std::vector<ValueId> transpose(NodeImport& node) {
  return {node.add(ops::Transpose{node.optional_integers("perm").value_or(std::vector<int64_t>())},
                   {node.in(0)})};
}

std::vector<ValueId> expand(NodeImport& node) {
  return {node.add(ops::Expand{}, {node.in(0), node.in(1)})};
}

std::vector<ValueId> tile(NodeImport& node) {
  return {node.add(ops::Tile{}, {node.in(0), node.in(1)})};
}

std::vector<ValueId> shape(NodeImport& node) {
  ops::ShapeOf rule;
  rule.begin = node.integer("start", 0);
  if (node.has_attribute("end")) rule.end = node.integer("end");
  return {node.add(rule, {node.in(0)})};
}

std::vector<ValueId> size(NodeImport& node) {
  return {node.add(ops::SizeOf{}, {node.in(0)})};
}

std::vector<ValueId> constant_of_shape(NodeImport& node) {
  ops::FillShape rule;
  if (const onnx::TensorProto* given = node.tensor("value")) {
    const Tensor value = tensor_from_onnx(*given, node.importer().external(), "attribute value");
    if (value.numel() != 1) node.fail("attribute value must hold one element, not ", value.shape().str());
    if (value.dtype() == DType::f64) node.fail("type DOUBLE is not supported");
    rule = {value.dtype(), *std::as_const(value).to(DType::f64).data<double>()};
  }
  return {node.add(rule, {node.in(0)})};
}

std::vector<ValueId> range(NodeImport& node) {
  return {node.add(ops::Range{}, {node.in(0), node.in(1), node.in(2)})};
}

std::vector<ValueId> depth_to_space(NodeImport& node) {
  static constexpr std::pair<std::string_view, ops::DepthOrder> kOrders[] = {
      {"DCR", ops::DepthOrder::depth_first}, {"CRD", ops::DepthOrder::channels_first}};
  const ops::DepthToSpace rule{node.integer("blocksize"), node.choice("mode", "DCR", kOrders)};
  return {node.add(rule, {node.in(0)})};
}

std::vector<ValueId> space_to_depth(NodeImport& node) {
  return {node.add(ops::SpaceToDepth{node.integer("blocksize")}, {node.in(0)})};
}

}  // namespace

std::span<const Operator> shape_operators() {
  static constexpr Operator kOperators[] = {{"Flatten", 1, kLastOpset, flatten},
                                            {"Reshape", 5, kLastOpset, reshape},
                                            {"Squeeze", 1, kLastOpset, squeeze},
                                            {"Unsqueeze", 1, kLastOpset, unsqueeze},
                                            {"Transpose", 1, kLastOpset, transpose},
                                            {"Expand", 8, kLastOpset, expand},
                                            {"Tile", 6, kLastOpset, tile},
                                            {"Shape", 1, kLastOpset, shape},
                                            {"Size", 1, kLastOpset, size},
                                            {"ConstantOfShape", 9, kLastOpset, constant_of_shape},
                                            {"Range", 11, kLastOpset, range},
                                            {"DepthToSpace", 1, kLastOpset, depth_to_space},
                                            {"SpaceToDepth", 1, kLastOpset, space_to_depth}};
  return kOperators;
}

}  // namespace pleat::formats
