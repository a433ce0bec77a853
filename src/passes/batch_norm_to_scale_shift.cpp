// batch_norm_to_scale_shift: batch normalization with known statistics is one multiply-add a channel.
//   Before: y = act((x - mean) / sqrt(var + eps) * weight + bias + residual)
//   After:  y = act(x * scale + shift + residual), scale = weight / sqrt(var + eps), shift = bias - mean *
//   scale, in double

#include <algorithm>
#include <cmath>

#include "base/format.hpp"
#include "graph/edit.hpp"
#include "passes/scale_shift.hpp"

namespace pleat {
namespace {

constexpr size_t kWeight = 1, kBias = 2, kMean = 3, kVar = 4, kResidual = 6;  // BatchNorm's inputs

// Why the statistics cannot be used, or empty.
std::string refusal(const GraphData& graph, const Node& node) {
  if (std::get<ops::BatchNorm>(node.attributes).batch_statistics) {
    return "normalizes by the batch's own statistics: it tracks no running ones";
  }
  for (size_t i = kWeight; i <= kVar; ++i) {
    if (input_of(node, i) != kAbsent && !is_constant(graph, node.inputs[i]))
      return "its parameters are not constant";
  }
  return "";
}

struct Normalization {
  Affine affine;
  double largest_scale = 0, largest_offset = 0;
};

Normalization normalization(const GraphData& graph, const Node& node) {
  const double eps = std::get<ops::BatchNorm>(node.attributes).eps;
  const std::vector<double> mean = constant_values(graph, node.inputs[kMean]),
                            var = constant_values(graph, node.inputs[kVar]);
  const size_t channels = mean.size();
  const auto vector_or = [&](ValueId id, double value) {
    return id == kAbsent ? std::vector<double>(channels, value) : constant_values(graph, id);
  };
  Normalization found{{{static_cast<int64_t>(channels)},
                       vector_or(node.inputs[kWeight], 1),
                       vector_or(node.inputs[kBias], 0)}};
  Affine& affine = found.affine;
  for (size_t c = 0; c < channels; ++c) {
    const double deviation = std::sqrt(var[c] + eps);
    affine.scale[c] /= deviation;
    affine.shift[c] -= mean[c] * affine.scale[c];
    if (!std::isfinite(affine.scale[c]) || !std::isfinite(affine.shift[c])) {
      fail(node.name, ": channel ", c, " has no finite scale and shift: mean ", mean[c], ", variance ",
           var[c], ", eps ", eps);
    }
    if (affine.scale[c] != 0)
      found.largest_offset = std::max(found.largest_offset, std::abs(mean[c]) / deviation);
  }
  found.largest_scale = largest(affine.scale);
  return found;
}

void run(GraphData& graph, PassContext& context) {
  for (Node& node : graph.nodes) {
    const auto* batch_norm = std::get_if<ops::BatchNorm>(&node.attributes);
    if (batch_norm == nullptr) continue;
    const std::string reason = refusal(graph, node);
    context.report.entries.push_back({node.name, false, "", reason});
    if (!reason.empty()) continue;
    FoldEntry& entry = context.report.entries.back();
    const Normalization found = normalization(graph, node);
    entry.largest_scale = found.largest_scale;
    entry.largest_offset = found.largest_offset;
    if (is_kept(context, node.name)) entry.reason = "to be kept as it is";
    const ops::ScaleShift scale_shift{.activation = batch_norm->activation};
    node.inputs = {node.inputs[0], kAbsent, kAbsent, kAbsent, input_of(node, kResidual)};
    node.attributes = scale_shift;
    set_affine(graph, node, found.affine);
    node.outputs.resize(1);  // what backward would have needed
  }
}

}  // namespace

const Pass kBatchNormToScaleShift = {"batch_norm_to_scale_shift", run};

}  // namespace pleat
