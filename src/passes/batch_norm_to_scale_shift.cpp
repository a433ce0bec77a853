// batch_norm_to_scale_shift: batch normalization with known statistics is one multiply-add a channel.
//   Before: y = act((x - mean) / sqrt(var + eps) * weight + bias + residual)
//   After:  y = act(x * scale + shift + residual), scale = weight / sqrt(var + eps), shift = bias - mean *
//   scale, in double

#include <cmath>

#include "base/format.hpp"
#include "graph/edit.hpp"
#include "passes/affine.hpp"
#include "passes/pass.hpp"

namespace pleat {
namespace {

// Why the statistics cannot be used, or empty.
std::string refusal(const GraphData& graph, const Node& node) {
  if (std::get<ops::BatchNorm>(node.attributes).batch_statistics) {
    return "normalizes by the batch's own statistics: it tracks no running ones";
  }
  for (size_t i = 1; i <= 4; ++i) {
    if (node.inputs[i] != kAbsent && !is_constant(graph, node.inputs[i]))
      return "its parameters are not constant";
  }
  return "";
}

struct Affine {
  std::vector<double> scale, shift;
};

Affine affine_of(const GraphData& graph, const Node& node) {
  const double eps = std::get<ops::BatchNorm>(node.attributes).eps;
  const std::vector<double> mean = constant_values(graph, node.inputs[3]),
                            var = constant_values(graph, node.inputs[4]);
  const size_t channels = mean.size();
  const auto vector_or = [&](ValueId id, double value) {
    return id == kAbsent ? std::vector<double>(channels, value) : constant_values(graph, id);
  };
  Affine affine{vector_or(node.inputs[1], 1), vector_or(node.inputs[2], 0)};
  for (size_t c = 0; c < channels; ++c) {
    affine.scale[c] /= std::sqrt(var[c] + eps);
    affine.shift[c] -= mean[c] * affine.scale[c];
    if (!std::isfinite(affine.scale[c]) || !std::isfinite(affine.shift[c])) {
      fail(node.name, ": channel ", c, " has no finite scale and shift: mean ", mean[c], ", variance ",
           var[c], ", eps ", eps);
    }
  }
  return affine;
}

void run(GraphData& graph, PassContext& context) {
  for (Node& node : graph.nodes) {
    const auto* batch_norm = std::get_if<ops::BatchNorm>(&node.attributes);
    if (batch_norm == nullptr) continue;
    const std::string reason = refusal(graph, node);
    context.report.entries.push_back(
        {node.name, false, "", reason.empty() ? "nothing before it can take it" : reason});
    if (!reason.empty()) continue;
    const Affine affine = affine_of(graph, node);
    const ValueId residual = node.inputs[6];
    const ops::ScaleShift scale_shift{.activation = batch_norm->activation};
    node.inputs = {node.inputs[0], kAbsent, add_vector(graph, node.name + ".scale", affine.scale, DType::f64),
                   add_vector(graph, node.name + ".shift", affine.shift, DType::f64), residual};
    node.attributes = scale_shift;
    node.outputs.resize(1);  // what backward would have needed
  }
}

}  // namespace

const Pass kBatchNormToScaleShift = {"batch_norm_to_scale_shift", run};

}  // namespace pleat
