// Normalizations as they are in inference, softmax and dropout.

#include <numeric>

#include "formats/onnx/write_ops.hpp"

namespace pleat::formats {
namespace {

Tensor filled(const Shape& shape, double value, DType dtype) {
  Tensor tensor(shape, DType::f64);
  for (double& x : tensor.span<double>()) x = value;
  return tensor.to(dtype);
}

std::string or_filled(NodeWriter& node, size_t i, const Shape& shape, double value) {
  return node.has(i) ? node.in_as(i, node.type(0).dtype)
                     : node.constant(filled(shape, value, node.type(0).dtype));
}

// ReduceMean takes its axes as an attribute up to opset 17.
std::string mean(NodeWriter& node, const std::string& x, const std::vector<int64_t>& axes) {
  return node.add("ReduceMean", {x}, {{"axes", axes}, {"keepdims", 1}});
}

// (x - E[x]) / sqrt(Var[x] + eps), E and Var over the axes.
std::string standardized(NodeWriter& node, const std::vector<int64_t>& axes, double eps) {
  const std::string x = node.in(0);
  const std::string deviation = node.add("Sub", {x, mean(node, x, axes)});
  const std::string variance = mean(node, node.add("Mul", {deviation, deviation}), axes);
  return node.add("Div", {deviation, node.add("Sqrt", {node.add("Add", {variance, node.number(eps)})})});
}

// Input i (C) so that it is broadcast along dimension `dim` of x.
std::string along(NodeWriter& node, size_t i, int64_t dim) {
  const std::string values = node.in_as(i, node.type(0).dtype);
  const int64_t behind = node.shape(0).rank() - 1 - dim;
  if (behind == 0) return values;
  std::vector<int64_t> axes(static_cast<size_t>(behind));
  std::iota(axes.begin(), axes.end(), 1);
  return node.add("Unsqueeze", {values, node.integers(axes)});
}

// x * scale + shift, of those that are there.
std::string scaled(NodeWriter& node, std::string x, const std::string& scale, const std::string& shift) {
  if (!scale.empty()) x = node.add("Mul", {x, scale});
  if (!shift.empty()) x = node.add("Add", {x, shift});
  return x;
}

}  // namespace

Names write(NodeWriter& node, const ops::BatchNorm& op) {
  constexpr size_t kWeight = 1, kBias = 2, kMean = 3, kVar = 4, kResidual = 6;
  if (op.channels_last) fail("has no ONNX form: channels are the second dimension there");
  std::string y;
  if (!op.batch_statistics) {
    const Shape& channels = node.shape(kMean);
    OnnxAttributes attributes = {{"epsilon", op.eps}};
    // ONNX's is the weight of the old value; none: the cumulative average, which ONNX does not have.
    if (op.momentum) attributes.push_back({"momentum", 1 - *op.momentum});
    y = node.add("BatchNormalization",
                 {node.in(0), or_filled(node, kWeight, channels, 1), or_filled(node, kBias, channels, 0),
                  node.in(kMean), node.in(kVar)},
                 attributes);
  } else if (!node.has(kMean)) {
    // By the batch's statistics in inference too. ONNX's training mode would say so, but few engines have it.
    std::vector<int64_t> axes = {0};
    for (int i = 2; i < node.shape(0).rank(); ++i) axes.push_back(i);
    y = standardized(node, axes, op.eps);
    y = scaled(node, y, node.has(kWeight) ? along(node, kWeight, 1) : "",
               node.has(kBias) ? along(node, kBias, 1) : "");
  } else {
    fail("moves its running statistics: only the inference form can be written");
  }
  return {with_epilogue(node, y, kResidual, op.activation, 0)};
}

Names write(NodeWriter& node, const ops::ScaleShift& op) {
  constexpr size_t kCenter = 1, kScale = 2, kShift = 3, kResidual = 4;
  const DType dtype = node.type(0).dtype;
  std::string y = node.in(0);
  if (op.dim == 1) {
    const Shape& channels = node.shape(kScale);
    const std::string center = or_filled(node, kCenter, channels, 0);
    const std::string variance = node.constant(filled(channels, 1, dtype));
    y = node.add("BatchNormalization",
                 {y, node.in_as(kScale, dtype), node.in_as(kShift, dtype), center, variance},
                 {{"epsilon", 0.0}});
  } else {
    if (node.has(kCenter)) y = node.add("Sub", {y, along(node, kCenter, op.dim)});
    y = scaled(node, y, along(node, kScale, op.dim), along(node, kShift, op.dim));
  }
  return {with_epilogue(node, y, kResidual, op.activation, op.alpha)};
}

Names write(NodeWriter& node, const ops::LayerNorm& op) {
  const int rank = node.shape(0).rank();
  const int first = static_cast<int>(op.dim < 0 ? op.dim + rank : op.dim);
  Shape normalized;
  std::vector<int64_t> axes;
  for (int i = first; i < rank; ++i) {
    normalized.push_back(node.shape(0)[i]);
    axes.push_back(i);
  }
  if (node.opset() >= 17 && (node.has(1) || normalized.is_static())) {
    return {node.add("LayerNormalization", {node.in(0), or_filled(node, 1, normalized, 1), node.in(2)},
                     {{"axis", op.dim}, {"epsilon", op.eps}})};
  }
  return {scaled(node, standardized(node, axes, op.eps), node.in(1), node.in(2))};
}

Names write(NodeWriter& node, const ops::LocalResponseNorm& op) {
  return {node.add("LRN", {node.in(0)},
                   {{"size", op.size}, {"alpha", op.alpha}, {"beta", op.beta}, {"bias", op.bias}})};
}

Names write(NodeWriter& node, const ops::Softmax& op) {
  return {node.add(op.log ? "LogSoftmax" : "Softmax", {node.in(0)}, {{"axis", op.dim}})};
}

Names write(NodeWriter& node, const ops::Dropout& op) {
  if (op.training && !op.frozen) fail("draws random numbers: only the inference form can be written");
  return {node.add("Dropout", {node.in(0), node.number(op.p)})};
}

}  // namespace pleat::formats
