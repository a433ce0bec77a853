// fold_backward: a linear layer takes the per-channel affine behind it into its weight and bias.
//   Before: y = (conv(x, W) + b) * s + t          (linear alike)
//   After:  y = conv(x, W'), W'[o] = W[o] * s[o], b'[o] = b[o] * s[o] + t[o]; in double, rounded once

#include "base/format.hpp"
#include "graph/edit.hpp"
#include "passes/affine.hpp"
#include "passes/scale_shift.hpp"

namespace pleat {
namespace {

using namespace scale_shift;

constexpr size_t kWeight = 1, kBias = 2, kLinearResidual = 3;

// The epilogue of a node that can absorb: Conv or Linear.
const ops::Epilogue* epilogue_of(const Node& node) {
  if (const auto* conv = std::get_if<ops::Conv>(&node.attributes)) return &conv->epilogue;
  if (const auto* linear = std::get_if<ops::Linear>(&node.attributes)) return &linear->epilogue;
  return nullptr;
}

// Why the producer of the affine's input cannot absorb it, or empty.
std::string refusal(const GraphData& graph, NodeId affine) {
  const ValueId x = graph.node(affine).inputs[kX];
  const NodeId producer = graph.value(x).producer;
  if (producer < 0) return "its input is the graph's own";
  const Node& node = graph.node(producer);
  const ops::Epilogue* epilogue = epilogue_of(node);
  if (epilogue == nullptr)
    return concat("follows ", node.name, " (", definition(node.attributes).name, "), not linear");
  if (epilogue->activation != Activation::none) return concat(node.name, " applies an activation before it");
  if (node.inputs[kLinearResidual] != kAbsent) return concat(node.name, " adds another value before it");
  if (!is_constant(graph, node.inputs[kWeight]))
    return concat("the weight of ", node.name, " is not constant");
  if (node.inputs[kBias] != kAbsent && !is_constant(graph, node.inputs[kBias])) {
    return concat("the bias of ", node.name, " is not constant");
  }
  if (!only_user_is(graph, x, affine)) return concat("the result of ", node.name, " is needed elsewhere too");
  const int rank = graph.value(x).type.shape.rank();
  if (std::holds_alternative<ops::Linear>(node.attributes) && rank != 2) {
    return concat("normalizes dimension 1 of ", rank, ", but ", node.name, " makes the last");
  }
  return "";
}

void absorb(GraphData& graph, Node& linear, const Node& affine) {
  const std::vector<double> scale = constant_values(graph, affine.inputs[kScale]);
  const std::vector<double> shift = constant_values(graph, affine.inputs[kShift]);
  std::vector<double> weight = constant_values(graph, linear.inputs[kWeight]);
  const Shape shape = graph.value(linear.inputs[kWeight]).type.shape;
  const size_t outputs = scale.size(), row = weight.size() / outputs;
  for (size_t o = 0; o < outputs; ++o) {
    for (size_t i = 0; i < row; ++i) weight[o * row + i] *= scale[o];
  }
  std::vector<double> bias = shift;
  if (linear.inputs[kBias] != kAbsent) {
    const std::vector<double> old = constant_values(graph, linear.inputs[kBias]);
    for (size_t o = 0; o < outputs; ++o) bias[o] += old[o] * scale[o];
  }
  // New constants: the weight may be shared with another layer.
  linear.inputs[kWeight] =
      add_constant(graph, linear.name + ".folded_weight", Tensor::from<double>(shape, weight).to(DType::f32));
  linear.inputs[kBias] = add_vector(graph, linear.name + ".folded_bias", bias, DType::f32);
}

void run(GraphData& graph, PassContext& context) {
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    Node& affine = graph.nodes[i];
    if (!plain_scale_shift(affine)) continue;
    FoldEntry* entry = find_entry(context, affine.name);
    const std::string reason = refusal(graph, static_cast<NodeId>(i));
    if (!reason.empty()) {
      if (entry != nullptr) entry->reason = reason;
      continue;
    }
    Node& linear = graph.node(graph.value(affine.inputs[kX]).producer);
    absorb(graph, linear, affine);
    if (entry != nullptr) *entry = {affine.name, true, linear.name, "folded into weight and bias"};
    bypass(graph, affine, linear.outputs[0]);
  }
}

}  // namespace

const Pass kFoldBackward = {"fold_backward", run};

}  // namespace pleat
