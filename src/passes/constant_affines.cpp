// constant_affines: arithmetic with a constant that is one number, or one a channel, is an affine.
//   Before: x + c,  x - c,  c - x,  x * c,  x / c,  -x
//   After:  scale_shift(x): (1, c), (1, -c), (-1, c), (c, 0), (1 / c, 0), (-1, 0)
// Only where broadcasting leaves x's shape as it is, whatever the sizes that are not known yet.

#include <algorithm>
#include <cmath>

#include "base/format.hpp"
#include "graph/edit.hpp"
#include "passes/scale_shift.hpp"

namespace pleat {
namespace {

using namespace scale_shift;

// A ScaleShift holds a number for each place along its dimension: that is for channels.
constexpr int64_t kMostChannels = 1 << 20;

struct Arithmetic {
  ops::BinaryKind kind;
  size_t x, constant;  // inputs
};

std::optional<Arithmetic> arithmetic(const GraphData& graph, const Node& node) {
  const auto* binary = std::get_if<ops::Binary>(&node.attributes);
  if (binary == nullptr && !std::holds_alternative<ops::Add>(node.attributes)) return std::nullopt;
  const ops::BinaryKind kind = binary != nullptr ? binary->kind : ops::BinaryKind::add;
  const bool second = is_constant(graph, node.inputs[1]);
  if (second == is_constant(graph, node.inputs[0])) return std::nullopt;
  const size_t x = second ? 0 : 1;
  using enum ops::BinaryKind;
  if (kind != add && kind != sub && kind != mul && (kind != div || x != 0)) return std::nullopt;
  const ValueType& type = graph.value(node.inputs[x]).type;
  const bool is_float = type.dtype == DType::f32 || type.dtype == DType::f64;
  return is_float ? std::optional(Arithmetic{kind, x, 1 - x}) : std::nullopt;
}

// Scale and shift of one element of the constant.
std::pair<double, double> element(const Arithmetic& a, double c) {
  switch (a.kind) {
    case ops::BinaryKind::add:
      return {1, c};
    case ops::BinaryKind::sub:
      return a.x == 0 ? std::pair{1.0, -c} : std::pair{-1.0, c};
    case ops::BinaryKind::mul:
      return {c, 0};
    default:
      return {1 / c, 0};
  }
}

// The affine of x's rank, nullopt where the constant would widen x.
std::optional<Affine> affine_with(const GraphData& graph, const Node& node, const Arithmetic& a) {
  const Shape &x = graph.value(node.inputs[a.x]).type.shape,
              &c = graph.value(node.inputs[a.constant]).type.shape;
  const int more = x.rank() - c.rank();
  if (more < 0) return std::nullopt;
  Affine affine = identity_affine(x.rank());
  for (int d = 0; d < c.rank(); ++d) {
    if (c[d] != 1 && c[d] != x[more + d]) return std::nullopt;
    affine.shape[more + d] = c[d];
  }
  affine.scale.clear();
  affine.shift.clear();
  for (double value : constant_values(graph, node.inputs[a.constant])) {
    const auto [scale, shift] = element(a, value);
    affine.scale.push_back(scale);
    affine.shift.push_back(shift);
  }
  return compacted(std::move(affine));
}

// The one dimension that it varies along; for a single number the channels, or any of known size.
std::optional<int> dimension(const Affine& affine, const Shape& x) {
  std::optional<int> found;
  for (int d = 0; d < x.rank(); ++d) {
    if (!affine.varies_along(d)) continue;
    if (found) return std::nullopt;
    found = d;
  }
  if (found) return found;
  if (x.rank() > 1 && x[1] != kDynamic) return 1;
  for (int d = x.rank() - 1; d >= 0; --d) {
    if (x[d] != kDynamic) return d;
  }
  return std::nullopt;
}

void become_affine(GraphData& graph, Node& node, ValueId x, const Affine& affine, PassContext& context) {
  const Shape& shape = graph.value(x).type.shape;
  const auto dim = dimension(affine, shape);
  const auto finite = [](double value) { return std::isfinite(value); };
  if (!dim || shape[*dim] < 1 || shape[*dim] > kMostChannels ||
      !std::all_of(affine.scale.begin(), affine.scale.end(), finite) ||
      !std::all_of(affine.shift.begin(), affine.shift.end(), finite)) {
    return;
  }
  context.report.entries.push_back({.layer = node.name,
                                    .folded = false,
                                    .target = "",
                                    .reason = is_kept(context, node.name) ? "to be kept as it is" : "",
                                    .kind = FoldKind::affine,
                                    .largest_scale = largest(affine.scale),
                                    .largest_offset = largest(affine.shift)});
  const Affine channels = *along(affine, *dim, shape[*dim]);
  node.attributes = ops::ScaleShift{.dim = *dim};
  node.inputs = {x, kAbsent, kAbsent, kAbsent, kAbsent};
  set_affine(graph, node, channels);
}

void run(GraphData& graph, PassContext& context) {
  for (Node& node : graph.nodes) {
    const auto* unary = std::get_if<ops::Unary>(&node.attributes);
    if (unary != nullptr && unary->kind == ops::UnaryKind::neg &&
        graph.value(node.inputs[0]).type.dtype == DType::f32) {
      Affine negation = identity_affine(graph.value(node.inputs[0]).type.shape.rank());
      negation.scale = {-1};
      become_affine(graph, node, node.inputs[0], negation, context);
    } else if (const auto found = arithmetic(graph, node)) {
      const auto affine = affine_with(graph, node, *found);
      if (affine) become_affine(graph, node, node.inputs[found->x], *affine, context);
    }
  }
}

}  // namespace

const Pass kConstantAffines = {"constant_affines", run};

}  // namespace pleat
