// Other shapes for the same elements, and values made from shapes.

#include <limits>

#include "formats/onnx/write_ops.hpp"

namespace pleat::formats {

Names write(NodeWriter& node, const ops::Flatten& op) {
  const int rank = node.shape(0).rank();
  const int64_t start = op.start_dim < 0 ? op.start_dim + rank : op.start_dim;
  if (op.to_matrix || start == 1) return {node.add("Flatten", {node.in(0)}, {{"axis", start}})};
  std::vector<int64_t> shape(static_cast<size_t>(start), 0);  // as they are
  shape.push_back(-1);
  return {node.add("Reshape", {node.in(0), node.integers(shape)})};
}

Names write(NodeWriter& node, const ops::Reshape& op) {
  OnnxAttributes attributes;
  if (op.allow_zero && node.opset() < 14) fail("an empty dimension (allow_zero) needs opset 14");
  if (op.allow_zero) attributes.push_back({"allowzero", 1});
  return {node.add("Reshape", {node.in(0), node.in_as(1, DType::i64)}, attributes)};
}

Names write(NodeWriter& node, const ops::ReshapeLike&) {
  return {node.add("Reshape", {node.in(0), node.add("Shape", {node.in(1)})})};
}

Names write(NodeWriter& node, const ops::Squeeze&) {
  return {node.add("Squeeze", {node.in(0), node.in_as(1, DType::i64)})};
}

Names write(NodeWriter& node, const ops::Unsqueeze&) {
  return {node.add("Unsqueeze", {node.in(0), node.in_as(1, DType::i64)})};
}

// Shape takes a range since opset 15.
Names write(NodeWriter& node, const ops::ShapeOf& op) {
  if (op.begin == 0 && !op.end) return {node.add("Shape", {node.in(0)})};
  if (node.opset() >= 15) {
    OnnxAttributes attributes = {{"start", op.begin}};
    if (op.end) attributes.push_back({"end", *op.end});
    return {node.add("Shape", {node.in(0)}, attributes)};
  }
  const int64_t end = op.end.value_or(std::numeric_limits<int64_t>::max());
  return {
      node.add("Slice", {node.add("Shape", {node.in(0)}), node.integers({op.begin}), node.integers({end})})};
}

Names write(NodeWriter& node, const ops::SizeOf&) {
  return {node.add("Size", {node.in(0)})};
}

namespace {

std::string filled(NodeWriter& node, const std::string& shape, double value, DType dtype) {
  return node.add("ConstantOfShape", {shape}, {{"value", Tensor::from<double>({1}, {value}).to(dtype)}});
}

}  // namespace

Names write(NodeWriter& node, const ops::FillShape& op) {
  return {filled(node, node.in_as(0, DType::i64), op.value, op.dtype)};
}

Names write(NodeWriter& node, const ops::Fill& op) {
  return {filled(node, node.add("Shape", {node.in(0)}), op.value, node.out_dtype())};
}

Names write(NodeWriter& node, const ops::Range&) {
  return {node.add("Range", {node.in(0), node.in(1), node.in(2)})};
}

}  // namespace pleat::formats
