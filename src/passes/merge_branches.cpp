// merge_branches: parallel convolutions of one input, and affines of it, whose results are added are one.
//   Before: y = conv3x3(x) + conv1x1(x) + (x * s + t) + ...       (RepVGG, ACNet, MobileOne)
//   After:  y = conv3x3(x) with the smaller kernels added in their place, s on its diagonal, biases summed;
//           in double

#include <algorithm>
#include <array>

#include "graph/edit.hpp"
#include "passes/commute.hpp"
#include "passes/linear_view.hpp"
#include "passes/scale_shift.hpp"

namespace pleat {
namespace {

using scale_shift::kX;
using Offset = std::array<int64_t, 2>;

// One value of a sum, and the Add that reads it.
struct Term {
  NodeId sum;
  size_t side;
};

void collect(const GraphData& graph, NodeId sum, std::vector<Term>& terms) {
  const Node& node = graph.node(sum);
  for (size_t side = 0; side < 2; ++side) {
    const ValueId value = node.inputs[side];
    const NodeId producer = graph.value(value).producer;
    const bool sums = producer >= 0 && !is_bypassed(graph.node(producer)) &&
                      is_sum(graph, graph.node(producer)) && only_user_is(graph, value, sum);
    sums ? collect(graph, producer, terms) : terms.push_back({sum, side});
  }
}

ValueId value_of(const GraphData& graph, const Term& term) {
  return graph.node(term.sum).inputs[term.side];
}

// The convolution that makes the term and nothing else, if its weights may be changed.
const ops::Conv* plain_conv(const GraphData& graph, const Term& term) {
  const ValueId value = value_of(graph, term);
  const NodeId producer = graph.value(value).producer;
  if (producer < 0 || !only_user_is(graph, value, term.sum)) return nullptr;
  const Node& node = graph.node(producer);
  const auto* conv = std::get_if<ops::Conv>(&node.attributes);
  const bool plain =
      conv != nullptr && !linear_view(graph, node)->finished && conv->window.auto_pad == ops::AutoPad::none &&
      input_of(node, LinearView::kPad) == kAbsent && is_constant(graph, node.inputs[1]) &&
      (input_of(node, LinearView::kBias) == kAbsent || is_constant(graph, input_of(node, LinearView::kBias)));
  return plain ? conv : nullptr;
}

// Where a window with that kernel and padding lies in a larger one; nullopt where it sticks out.
std::optional<Offset> place_in(const ops::Window& large, const Offset& kernel, const Offset& pad,
                               const Offset& dilation) {
  Offset offset{};
  for (size_t d = 0; d < 2; ++d) {
    const int64_t step = large.dilation[d], distance = large.pad_begin[d] - pad[d];
    if (kernel[d] > 1 && dilation[d] != step) return std::nullopt;
    offset[d] = distance / step;
    if (distance % step != 0 || offset[d] < 0 || offset[d] + kernel[d] > large.kernel[d]) return std::nullopt;
  }
  return offset;
}

// What a term adds to a convolution: its kernel (out, in / groups, kh, kw) and bias.
struct Part {
  std::string name;
  Offset kernel, offset;
  std::vector<double> weight, bias;
};

std::optional<Part> conv_part(const GraphData& graph, const Node& into, const Term& term) {
  const auto& large = std::get<ops::Conv>(into.attributes);
  const ops::Conv* small = plain_conv(graph, term);
  if (small == nullptr || small->groups != large.groups || small->window.stride != large.window.stride)
    return std::nullopt;
  const Node& node = graph.node(graph.value(value_of(graph, term)).producer);
  const auto offset =
      place_in(large.window, small->window.kernel, small->window.pad_begin, small->window.dilation);
  if (node.inputs[0] != into.inputs[0] || !offset) return std::nullopt;
  const ValueId bias = input_of(node, LinearView::kBias);
  return Part{node.name, small->window.kernel, *offset, constant_values(graph, node.inputs[1]),
              bias == kAbsent ? std::vector<double>{} : constant_values(graph, bias)};
}

// x, or x * s + t, as a convolution with a kernel of one element.
std::optional<Part> affine_part(const GraphData& graph, const PassContext& context, const Node& into,
                                const Term& term) {
  const auto& large = std::get<ops::Conv>(into.attributes);
  const LinearView view = *linear_view(graph, into);
  const ValueId value = value_of(graph, term), x = into.inputs[0];
  const auto offset = place_in(large.window, {1, 1}, {0, 0}, {1, 1});
  if (!offset || view.inputs != view.outputs || large.window.stride != Offset{1, 1}) return std::nullopt;
  Affine affine = identity_affine(graph.value(x).type.shape.rank());
  std::string name;
  if (value != x) {
    const NodeId producer = graph.value(value).producer;
    if (producer < 0 || !only_user_is(graph, value, term.sum)) return std::nullopt;
    const Node& node = graph.node(producer);
    if (!plain_scale_shift(node) || node.inputs[kX] != x || is_kept(context, node.name)) return std::nullopt;
    affine = affine_of(graph, node);
    name = node.name;
  }
  const auto channels = along(affine, 1, view.inputs);
  if (!channels) return std::nullopt;
  Part part{name, {1, 1}, *offset, {}, channels->shift};
  const int64_t row = view.inputs / large.groups;
  for (int64_t o = 0; o < view.outputs; ++o) {
    for (int64_t i = 0; i < row; ++i)
      part.weight.push_back(i == o % row ? channels->scale[static_cast<size_t>(o)] : 0.0);
  }
  return part;
}

void add_part(GraphData& graph, Node& into, const Part& part) {
  const Shape shape = graph.value(into.inputs[1]).type.shape;
  const Offset kernel = std::get<ops::Conv>(into.attributes).window.kernel;
  std::vector<double> weight = constant_values(graph, into.inputs[1]);
  const int64_t rows = shape[0] * shape[1];
  for (int64_t r = 0, from = 0; r < rows; ++r) {
    for (int64_t y = 0; y < part.kernel[0]; ++y) {
      for (int64_t x = 0; x < part.kernel[1]; ++x, ++from) {
        const int64_t at = (r * kernel[0] + part.offset[0] + y) * kernel[1] + part.offset[1] + x;
        weight[static_cast<size_t>(at)] += part.weight[static_cast<size_t>(from)];
      }
    }
  }
  into.inputs[1] = add_constant(graph, into.name + ".merged_weight", Tensor::from<double>(shape, weight));
  if (part.bias.empty()) return;
  std::vector<double> bias = part.bias;
  const ValueId old = input_of(into, LinearView::kBias);
  if (old != kAbsent) {
    const std::vector<double> own = constant_values(graph, old);
    for (size_t o = 0; o < bias.size(); ++o) bias[o] += own[o];
  }
  set_input(into, LinearView::kBias, add_vector(graph, into.name + ".merged_bias", bias, DType::f64));
}

// Merges one pair of the sum's terms; false where there is none.
bool merge_pair(GraphData& graph, PassContext& context, NodeId root) {
  std::vector<Term> terms;
  collect(graph, root, terms);
  for (const Term& large : terms) {
    if (plain_conv(graph, large) == nullptr) continue;
    Node& into = graph.node(graph.value(value_of(graph, large)).producer);
    for (const Term& small : terms) {
      if (value_of(graph, small) == value_of(graph, large)) continue;
      auto part = conv_part(graph, into, small);
      if (!part) part = affine_part(graph, context, into, small);
      if (!part) continue;
      add_part(graph, into, *part);
      if (FoldEntry* entry = find_entry(context, part->name)) {
        entry->folded = true;
        entry->target = into.name;
        entry->reason = "merged into the parallel convolution";
      }
      Node& sum = graph.node(small.sum);
      const ValueId rest = sum.inputs[1 - small.side];
      graph.value(into.outputs[0]).name += ".folded";
      if (rest == into.outputs[0]) graph.value(rest).name = graph.value(sum.outputs[0]).name;
      bypass(graph, sum, rest);
      return true;
    }
  }
  return false;
}

void run(GraphData& graph, PassContext& context) {
  for (size_t i = graph.nodes.size(); i-- > 0;) {
    while (!is_bypassed(graph.nodes[i]) && is_sum(graph, graph.nodes[i]) &&
           merge_pair(graph, context, static_cast<NodeId>(i))) {
    }
  }
}

}  // namespace

const Pass kMergeBranches = {"merge_branches", run};

}  // namespace pleat
