#include "passes/linear_view.hpp"

#include <cmath>

#include "base/format.hpp"
#include "graph/edit.hpp"
#include "tensor/element_type.hpp"

namespace pleat {
namespace {

constexpr size_t kX = LinearView::kX, kWeight = LinearView::kWeight, kBias = LinearView::kBias,
                 kResidual = LinearView::kResidual, kPad = LinearView::kPad;

// Pad values beyond this are rounded to nothing, or infinity, beside the rest of a channel.
constexpr double kLargestPad = 1e30;

bool pads(const ops::Window& window) {
  const std::array<int64_t, 2> none = {0, 0};
  return window.auto_pad != ops::AutoPad::none || window.pad_begin != none || window.pad_end != none;
}

bool finishes(const ops::Epilogue& epilogue, const Node& node) {
  return epilogue.activation != Activation::none || input_of(node, kResidual) != kAbsent;
}

// Why weight and bias cannot be changed, or empty.
std::string not_constant(const GraphData& graph, const Node& node) {
  if (!is_constant(graph, node.inputs[kWeight]))
    return concat("the weight of ", node.name, " is not constant");
  for (const size_t i : {kBias, kPad}) {
    const ValueId value = input_of(node, i);
    if (value != kAbsent && !is_constant(graph, value))
      return concat(i == kBias ? "the bias of " : "the padding of ", node.name, " is not constant");
  }
  return "";
}

std::vector<double> vector_or(const GraphData& graph, ValueId value, int64_t size, double otherwise) {
  return value != kAbsent ? constant_values(graph, value)
                          : std::vector<double>(static_cast<size_t>(size), otherwise);
}

// New constants: the old ones may be shared with another layer.
void set_weight(GraphData& graph, Node& node, Tensor weight) {
  node.inputs[kWeight] = add_constant(graph, node.name + ".folded_weight", std::move(weight));
}

// The node's weight in double, of which the node has its own copy.
Tensor own_double_weight(const GraphData& graph, const Node& node) {
  const Tensor& weight = graph.value(node.inputs[kWeight]).data;
  return weight.dtype() == DType::f64 ? weight.clone() : weight.to(DType::f64);
}

void set_vector(GraphData& graph, Node& node, size_t i, const char* name, const std::vector<double>& values) {
  set_input(node, i, add_vector(graph, node.name + name, values, DType::f64));
}

}  // namespace

std::optional<LinearView> linear_view(const GraphData& graph, const Node& node) {
  if (input_of(node, kWeight) == kAbsent) return std::nullopt;
  const Shape& weight = graph.value(node.inputs[kWeight]).type.shape;
  if (const auto* conv = std::get_if<ops::Conv>(&node.attributes)) {
    return LinearView{.outputs_first = true,
                      .groups = conv->groups,
                      .inputs = weight[1] * conv->groups,
                      .outputs = weight[0],
                      .in_dim = 1,
                      .out_dim = 1,
                      .finished = finishes(conv->epilogue, node),
                      .padded = pads(conv->window),
                      .uneven = false};
  }
  if (const auto* conv = std::get_if<ops::ConvTranspose>(&node.attributes)) {
    return LinearView{.outputs_first = false,
                      .groups = conv->groups,
                      .inputs = weight[0],
                      .outputs = weight[1] * conv->groups,
                      .in_dim = 1,
                      .out_dim = 1,
                      .finished = false,
                      .padded = false,
                      .uneven = true};
  }
  if (const auto* linear = std::get_if<ops::Linear>(&node.attributes)) {
    const int last = graph.value(node.inputs[kX]).type.shape.rank() - 1;
    return LinearView{.outputs_first = true,
                      .groups = 1,
                      .inputs = weight[1],
                      .outputs = weight[0],
                      .in_dim = last,
                      .out_dim = last,
                      .finished = finishes(linear->epilogue, node),
                      .padded = false,
                      .uneven = false};
  }
  return std::nullopt;
}

std::string cannot_absorb_after(const GraphData& graph, const Node& node, const Affine& after) {
  const LinearView view = *linear_view(graph, node);
  if (view.finished) return concat(node.name, " applies an activation or adds another value before it");
  const std::string reason = not_constant(graph, node);
  if (!reason.empty()) return reason;
  const int rank = after.shape.rank();
  for (int d = 0; d < rank; ++d) {
    if (d == view.out_dim || !after.varies_along(d)) continue;
    return concat("normalizes dimension ", d, " of ", rank, ", but ", node.name, " makes ",
                  view.out_dim == rank - 1 ? "the last" : concat("dimension ", view.out_dim));
  }
  return "";
}

void absorb_after(GraphData& graph, Node& node, const Affine& after, DType dtype) {
  const LinearView view = *linear_view(graph, node);
  const Affine a = *along(after, view.out_dim, view.outputs);
  if (a.scales()) {
    const Tensor& weight = graph.value(node.inputs[kWeight]).data;
    const auto scale = [view, shape = weight.shape(), factors = a.scale]<class T>(T* w) {
      view.for_each_output(shape, [&](size_t o, int64_t first, int64_t count) {
        for (int64_t e = first; e < first + count; ++e) {
          w[e] = static_cast<T>(static_cast<double>(w[e]) * factors[o]);
        }
      });
    };
    if (weight.dtype() == DType::f32 && dtype == DType::f32) {
      set_weight(graph, node,
                 weight.changed([scale](void* elements) { scale(static_cast<float*>(elements)); }));
    } else {
      Tensor scaled = own_double_weight(graph, node);
      scale(scaled.data<double>());
      set_weight(graph, node, scaled.to(dtype));
    }
  }
  const ValueId old = input_of(node, kBias);
  if (old == kAbsent && !a.shifts()) return;
  std::vector<double> bias = vector_or(graph, old, view.outputs, 0);
  for (size_t o = 0; o < bias.size(); ++o) bias[o] = bias[o] * a.scale[o] + a.shift[o];
  set_vector(graph, node, kBias, ".folded_bias", bias);
}

std::string cannot_absorb_before(const GraphData& graph, const Node& node, const Affine& before) {
  const LinearView view = *linear_view(graph, node);
  const std::string reason = not_constant(graph, node);
  if (!reason.empty()) return reason;
  const auto a = along(before, view.in_dim, view.inputs);
  if (!a) return concat("scales another dimension than ", node.name, " sums over");
  if (view.uneven && a->shifts())
    return concat("its shift would reach the results of ", node.name, " unevenly at the borders");
  if (!view.padded) return "";
  const std::vector<double> pad = vector_or(graph, input_of(node, kPad), view.inputs, 0);
  for (size_t i = 0; i < pad.size(); ++i) {
    if (pad[i] == a->shift[i]) continue;
    const double value = (pad[i] - a->shift[i]) / a->scale[i];
    if (!(std::abs(value) < kLargestPad))
      return concat("no padding of ", node.name, " makes up for its shift of channel ", i,
                    ", which it scales by ", a->scale[i]);
  }
  return "";
}

void absorb_before(GraphData& graph, Node& node, const Affine& before) {
  const LinearView view = *linear_view(graph, node);
  const Affine a = *along(before, view.in_dim, view.inputs);
  Tensor weight = own_double_weight(graph, node);
  double* const w = weight.data<double>();
  std::vector<double> bias = vector_or(graph, input_of(node, kBias), view.outputs, 0);
  view.for_each_weight(weight.shape(), [&](size_t o, size_t i, size_t element) {
    bias[o] += w[element] * a.shift[i];
    w[element] *= a.scale[i];
  });
  set_weight(graph, node, std::move(weight));
  if (a.shifts()) set_vector(graph, node, kBias, ".folded_bias", bias);
  if (!view.padded || (!a.shifts() && input_of(node, kPad) == kAbsent)) return;
  std::vector<double> pad = vector_or(graph, input_of(node, kPad), view.inputs, 0);
  for (size_t i = 0; i < pad.size(); ++i) {
    pad[i] = pad[i] == a.shift[i] ? 0 : (pad[i] - a.shift[i]) / a.scale[i];
  }
  set_vector(graph, node, kPad, ".folded_pad", pad);
}

}  // namespace pleat
