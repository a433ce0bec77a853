// Reductions and pools.

#include "formats/onnx/write_ops.hpp"

namespace pleat::formats {
namespace {

using ops::ReduceKind;

const char* operator_of(ReduceKind kind) {
  switch (kind) {
    case ReduceKind::mean:
      return "ReduceMean";
    case ReduceKind::sum:
      return "ReduceSum";
    case ReduceKind::max:
      return "ReduceMax";
    case ReduceKind::min:
      return "ReduceMin";
    case ReduceKind::prod:
      return "ReduceProd";
    case ReduceKind::l1:
      return "ReduceL1";
    case ReduceKind::l2:
      return "ReduceL2";
    case ReduceKind::log_sum:
      return "ReduceLogSum";
    case ReduceKind::log_sum_exp:
      return "ReduceLogSumExp";
    case ReduceKind::sum_square:
      return "ReduceSumSquare";
  }
  return "";
}

// What a reduction over no axes is: f of each element.
std::string of_each(NodeWriter& node, ReduceKind kind) {
  const std::string x = node.in(0);
  switch (kind) {
    case ReduceKind::l1:
    case ReduceKind::l2:
      return node.add("Abs", {x});
    case ReduceKind::log_sum:
      return node.add("Log", {x});
    case ReduceKind::sum_square:
      return node.add("Mul", {x, x});
    default:
      return x;
  }
}

}  // namespace

Names write(NodeWriter& node, const ops::Reduce& op) {
  OnnxAttributes attributes = {{"keepdims", op.keep_dims}};
  std::vector<int64_t> axes;
  if (node.has(1)) {
    const auto known = node.known(1);
    if (!known && op.kind == ReduceKind::sum) {  // whose axes are an input since opset 13
      attributes.push_back({"noop_with_empty_axes", op.keep_all_if_empty});
      return {node.add("ReduceSum", {node.in(0), node.in_as(1, DType::i64)}, attributes)};
    }
    if (!known) fail("axes that are not constant need opset 18");
    axes = *known;
  }
  if (axes.empty() && op.keep_all_if_empty) return {of_each(node, op.kind)};
  Names inputs = {node.in(0)};
  if (!axes.empty() && op.kind == ReduceKind::sum) inputs.push_back(node.integers(axes));
  if (!axes.empty() && op.kind != ReduceKind::sum) attributes.push_back({"axes", axes});
  return {node.add(operator_of(op.kind), inputs, attributes)};
}

Names write(NodeWriter& node, const ops::ArgReduce& op) {
  return {node.add(op.smallest ? "ArgMin" : "ArgMax", {node.in(0)},
                   {{"axis", op.dim}, {"keepdims", op.keep_dims}, {"select_last_index", op.last}})};
}

Names write(NodeWriter& node, const ops::MaxPool& op) {
  OnnxAttributes attributes = window_attributes(fixed_window(op.window, node.shape(0)), node.shape(0).rank());
  attributes.push_back({"ceil_mode", op.ceil_mode});
  attributes.push_back({"storage_order", op.column_major});
  return node.add("MaxPool", {node.in(0)}, attributes, op.with_indices ? 2 : 1);
}

Names write(NodeWriter& node, const ops::AvgPool& op) {
  if (op.window.dilation != std::array<int64_t, 2>{1, 1}) fail("a dilation needs opset 19");
  OnnxAttributes attributes = window_attributes(fixed_window(op.window, node.shape(0)), node.shape(0).rank());
  std::erase_if(attributes, [](const OnnxAttribute& a) { return a.proto.name() == "dilations"; });
  attributes.push_back({"ceil_mode", op.ceil_mode});
  attributes.push_back({"count_include_pad", op.count_include_pad});
  return {node.add("AveragePool", {node.in(0)}, attributes)};
}

Names write(NodeWriter& node, const ops::GlobalAvgPool& op) {
  const std::string y = node.add("GlobalAveragePool", {node.in(0)});
  return {op.keep_dims ? y : node.add("Flatten", {y}, {{"axis", 1}})};
}

}  // namespace pleat::formats
