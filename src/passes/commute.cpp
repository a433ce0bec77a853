// How affines pass nodes that compute something: exact where the node keeps what the affine does.

#include "passes/commute.hpp"

#include <algorithm>

#include "base/format.hpp"
#include "graph/edit.hpp"
#include "ops/known.hpp"
#include "passes/trace_elements.hpp"

namespace pleat {
namespace {

// What a node keeps of x * s + t.
enum class Keeps : uint8_t {
  nothing,
  scale,           // a sum: f(s x) = s f(x)
  affine,          // a mean: f(s x + t) = s f(x) + t
  order,           // a maximum: the same for s >= 0
  positive_scale,  // relu: f(s x) = s f(x) for s >= 0
};

struct Rule {
  Keeps keeps = Keeps::nothing;
  std::vector<int> mixed = {};  // dimensions along which elements are combined
  bool drops = false;           // the mixed dimensions are no dimensions of the result
};

std::vector<int> dims_from(int first, int rank) {
  std::vector<int> dims;
  for (int d = first; d < rank; ++d) dims.push_back(d);
  return dims;
}

Rule rule(const ops::Activate& a, const GraphData&, const Node&, int) {
  using enum Activation;
  return {a.activation == relu || a.activation == leaky_relu ? Keeps::positive_scale : Keeps::nothing};
}

Rule rule(const ops::MaxPool& pool, const GraphData&, const Node&, int rank) {
  return {pool.with_indices ? Keeps::nothing : Keeps::order, dims_from(2, rank)};
}

// Zeros that count turn a mean into a sum that is not one of weights 1.
Rule rule(const ops::AvgPool& pool, const GraphData&, const Node&, int rank) {
  const std::array<int64_t, 2> none = {0, 0};
  const ops::Window& window = pool.window;
  const bool inside = window.auto_pad == ops::AutoPad::none && window.pad_begin == none &&
                      window.pad_end == none && !pool.ceil_mode;
  return {inside || !pool.count_include_pad ? Keeps::affine : Keeps::scale, dims_from(2, rank)};
}

Rule rule(const ops::GlobalAvgPool& pool, const GraphData&, const Node&, int rank) {
  return {Keeps::affine, dims_from(2, rank), !pool.keep_dims};
}

Rule rule(const ops::Reduce& reduce, const GraphData& graph, const Node& node, int rank) {
  Rule r{Keeps::nothing, {}, !reduce.keep_dims};
  const ValueId axes = input_of(node, 1);
  const auto given = axes == kAbsent ? std::vector<int>{} : known_axes(&graph.value(axes).type, rank, "axes");
  if (!given) return r;
  r.mixed = given->empty() && !reduce.keep_all_if_empty ? dims_from(0, rank) : *given;
  if (reduce.kind == ops::ReduceKind::mean) r.keeps = Keeps::affine;
  if (reduce.kind == ops::ReduceKind::sum) r.keeps = Keeps::scale;
  if (reduce.kind == ops::ReduceKind::max) r.keeps = Keeps::order;
  return r;
}

// Interpolation's weights sum to 1, but for what lies outside of a crop. Only planes may be resized.
Rule rule(const ops::Resize& resize, const GraphData& graph, const Node& node, int rank) {
  const Shape &x = graph.value(node.inputs[0]).type.shape, &y = graph.value(node.outputs[0]).type.shape;
  const bool crops = resize.coordinates == ops::ResizeCoordinates::tf_crop_and_resize;
  if (crops || rank < 3 || x[1] == kDynamic || x[1] != y[1]) return {};
  const auto planes_only = [&] {
    if (!resize.axes.empty())
      return std::all_of(resize.axes.begin(), resize.axes.end(), [](int64_t axis) { return axis >= 2; });
    const ValueId scales = input_of(node, 2);
    if (scales == kAbsent) return resize.policy == ops::ResizePolicy::stretch;
    if (!is_constant(graph, scales)) return false;
    const std::vector<double> values = constant_values(graph, scales);
    return values.empty() ? resize.policy == ops::ResizePolicy::stretch
                          : values.size() >= 2 && values[0] == 1 && values[1] == 1;
  };
  return planes_only() ? Rule{Keeps::affine, dims_from(2, rank)} : Rule{};
}

Rule rule(const ops::Binary& binary, const GraphData& graph, const Node& node, int) {
  const bool widened = graph.value(node.outputs[0]).type != graph.value(node.inputs[0]).type;
  return {binary.kind == ops::BinaryKind::prelu && !widened ? Keeps::positive_scale : Keeps::nothing};
}

template <class Op>
Rule rule(const Op&, const GraphData&, const Node&, int) {
  return {};
}

Rule rule_of(const GraphData& graph, const Node& node) {
  if (input_of(node, 0) == kAbsent) return {};
  const int rank = graph.value(node.inputs[0]).type.shape.rank();
  return std::visit([&](const auto& op) { return rule(op, graph, node, rank); }, node.attributes);
}

// Why the node does not keep the affine, or empty.
std::string refusal(const Node& node, const Rule& rule, const Affine& affine) {
  const auto says = [&](const char* what) {
    return concat(node.name, " (", definition(node.attributes).name, ") ", what);
  };
  const bool negative = std::any_of(affine.scale.begin(), affine.scale.end(), [](double s) { return s < 0; });
  switch (rule.keeps) {
    case Keeps::scale:
      return affine.shifts() ? says("does not keep a shift") : "";
    case Keeps::affine:
      return "";
    case Keeps::order:
      return negative ? says("keeps the order, which a negative scale turns round") : "";
    case Keeps::nothing:
      break;
    case Keeps::positive_scale:
      return affine.shifts() || negative ? says("keeps positive scales only") : "";
  }
  return says("is not linear");
}

bool is_mixed(const Rule& rule, int dim) {
  return std::find(rule.mixed.begin(), rule.mixed.end(), dim) != rule.mixed.end();
}

// The affine of the result as one of the input: dropped dimensions come back.
Affine before_dropping(const Rule& rule, Affine affine, int rank) {
  Shape shape;
  for (int d = 0, next = 0; d < rank; ++d) shape.push_back(is_mixed(rule, d) ? 1 : affine.shape[next++]);
  affine.shape = shape;
  return affine;
}

Affine after_dropping(const Rule& rule, Affine affine) {
  Shape shape;
  for (int d = 0; d < affine.shape.rank(); ++d) {
    if (!is_mixed(rule, d)) shape.push_back(affine.shape[d]);
  }
  affine.shape = shape;
  return affine;
}

std::string varies_where_mixed(const Node& node, const Rule& rule, const Affine& affine) {
  for (int d : rule.mixed) {
    if (affine.varies_along(d))
      return concat(node.name, " (", definition(node.attributes).name, ") combines dimension ", d,
                    ", along which it varies");
  }
  return "";
}

}  // namespace

bool is_sum(const GraphData& graph, const Node& node) {
  if (std::holds_alternative<ops::Add>(node.attributes)) return true;
  const auto* binary = std::get_if<ops::Binary>(&node.attributes);
  if (binary == nullptr || binary->kind != ops::BinaryKind::add) return false;
  const Shape& a = graph.value(node.inputs[0]).type.shape;
  return a.is_static() && a == graph.value(node.inputs[1]).type.shape;
}

Passage move_up(const GraphData& graph, const Node& node, size_t output, const Affine& affine) {
  if (moves_elements(node)) return move_up_elements(graph, node, output, affine);
  if (is_sum(graph, node)) {  // (a + b) * s + t = (a * s + t) + b * s
    Affine scale = affine;
    std::fill(scale.shift.begin(), scale.shift.end(), 0.0);
    return {.parts = {{0, affine}, {1, scale}}};
  }
  const Rule rule = rule_of(graph, node);
  Passage passage{.refusal = output == 0 ? refusal(node, rule, affine) : concat(node.name, " is not linear")};
  if (!passage.refusal.empty()) return passage;
  const int rank = graph.value(node.inputs[0]).type.shape.rank();
  const Affine before = rule.drops ? before_dropping(rule, affine, rank) : affine;
  passage.refusal = varies_where_mixed(node, rule, before);
  passage.parts = {{0, before}};
  return passage;
}

Passage move_down(const GraphData& graph, const Node& node, size_t input, const Affine& affine) {
  if (moves_elements(node)) return move_down_elements(graph, node, input, affine);
  if (is_sum(graph, node) && !affine.scales()) return {.parts = {{0, affine}}};  // (a + t) + b = (a + b) + t
  if (input != 0) return {.refusal = concat(node.name, " is not linear")};
  const Rule rule = rule_of(graph, node);
  Passage passage{.refusal = refusal(node, rule, affine)};
  if (passage.refusal.empty()) passage.refusal = varies_where_mixed(node, rule, affine);
  if (!passage.refusal.empty()) return passage;
  passage.parts = {{0, rule.drops ? after_dropping(rule, affine) : affine}};
  return passage;
}

}  // namespace pleat
