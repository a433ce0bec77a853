// Numbers 0, 1, 2 ... are sent through an op that only moves elements, and tell where each element of its
// results comes from.

#include "passes/trace_elements.hpp"

#include <algorithm>
#include <numeric>

#include "base/format.hpp"
#include "ops/evaluate.hpp"

namespace pleat {
namespace {

constexpr int64_t kMostElements = 1 << 22;
constexpr const char* kTooLarge = "is too large to be followed";

template <class... Op>
bool is_any(const ops::Attributes& attributes) {
  return (std::holds_alternative<Op>(attributes) || ...);
}

bool is_data(const Node& node, size_t i) {
  return i == 0 || std::holds_alternative<ops::Concat>(node.attributes);
}

// A view's elements stay in order. With one dynamic dimension, which stands first on both sides, the rest of
// the sizes being p and q, lcm(p, q) elements show every way in which rows of p and of q meet.
std::string view_sizes(Shape& x, Shape& y) {
  const auto dynamic = [](const Shape& shape) { return std::count(shape.begin(), shape.end(), kDynamic); };
  if (dynamic(x) == 0 && dynamic(y) == 0) return "";
  const bool simple = dynamic(x) == 1 && dynamic(y) == 1 && x[0] == kDynamic && y[0] == kDynamic;
  const int64_t p = simple ? x.product(1, x.rank()) : 0, q = simple ? y.product(1, y.rank()) : 0;
  if (p <= 0 || q <= 0) return "has sizes that are known only when it runs";
  if (p > kMostElements || q > kMostElements) return kTooLarge;
  const int64_t all = std::lcm(p, q);
  x[0] = all / p;
  y[0] = all / q;
  return "";
}

Tensor numbered(const Shape& shape, int64_t first) {
  Tensor numbers(shape, DType::f64);
  std::iota(numbers.span<double>().begin(), numbers.span<double>().end(), static_cast<double>(first));
  return numbers;
}

std::vector<int64_t> as_sources(const Tensor& numbers) {
  const Tensor whole = numbers.to(DType::i64);
  return {whole.span<int64_t>().begin(), whole.span<int64_t>().end()};
}

Trace refused(const Node& node, std::string_view why) {
  return {.refusal = concat(node.name, " (", definition(node.attributes).name, ") ", why)};
}

Trace trace_view(const GraphData& graph, const Node& node) {
  Shape x = graph.value(node.inputs[0]).type.shape, y = graph.value(node.outputs[0]).type.shape;
  const std::string unknown = view_sizes(x, y);
  if (!unknown.empty()) return refused(node, unknown);
  if (x.numel() > kMostElements) return refused(node, kTooLarge);
  std::vector<int64_t> sources(static_cast<size_t>(x.numel()));
  std::iota(sources.begin(), sources.end(), 0);
  return {.inputs = {{x, 0}}, .outputs = {y}, .sources = {sources}};
}

// Of the affine, what `trace` may make small: dimensions that it does not vary along, where the op has one of
// its own and leaves the others alone.
Shape sizes_for(const Node& node, Shape shape, const Affine& affine) {
  std::optional<int64_t> own;
  if (const auto* concat = std::get_if<ops::Concat>(&node.attributes)) own = concat->dim;
  if (const auto* slice = std::get_if<ops::Slice>(&node.attributes)) own = slice->dim;
  if (const auto* split = std::get_if<ops::Split>(&node.attributes)) own = split->dim;
  if (const auto* fold = std::get_if<ops::FoldDepth>(&node.attributes); fold && shape[0] == kDynamic)
    shape[0] = fold->depth;
  for (int d = 0; d < shape.rank(); ++d) {
    const bool apart = own && d != (*own < 0 ? *own + shape.rank() : *own);
    if (shape[d] == kDynamic || (apart && !affine.varies_along(d))) shape[d] = 1;
  }
  return shape;
}

}  // namespace

Trace trace_elements(const GraphData& graph, const Node& node, const Affine& affine) {
  if (definition(node.attributes).is_view) return trace_view(graph, node);
  return trace_elements(graph, node, [&](const Shape& shape) { return sizes_for(node, shape, affine); });
}

Trace trace_elements(const GraphData& graph, const Node& node,
                     const std::function<Shape(const Shape&)>& sizes) {
  Trace t;
  std::vector<Tensor> tensors(node.inputs.size());
  std::vector<const Tensor*> operands(node.inputs.size(), nullptr);
  int64_t count = 0;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueId id = node.inputs[i];
    t.inputs.emplace_back();
    if (id == kAbsent) continue;
    const ValueType& type = graph.value(id).type;
    if (is_data(node, i)) {
      t.inputs[i] = {sizes(type.shape), count};
      count += t.inputs[i].shape.numel();
      if (count > kMostElements) return refused(node, kTooLarge);
      tensors[i] = numbered(t.inputs[i].shape, t.inputs[i].first);
    } else if (type.known != nullptr && !type.known->unknown.defined()) {
      tensors[i] = type.known->values;
    } else {
      return refused(node, "depends on values that are known only when it runs");
    }
    operands[i] = &tensors[i];
  }
  const auto* pad = std::get_if<ops::Pad>(&node.attributes);
  if (pad != nullptr && pad->mode == ops::PadMode::constant) {
    operands.resize(std::max(operands.size(), kPadValue + 1), nullptr);
    tensors.resize(operands.size());
    tensors[kPadValue] = Tensor::from<double>(Shape{}, {static_cast<double>(kPadding)});
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (operands[i] != nullptr) operands[i] = &tensors[i];
    }
    operands[kPadValue] = &tensors[kPadValue];
  }
  try {
    for (const Tensor& output : evaluate(node.attributes, operands, kMostElements)) {
      if (output.numel() == 0) return refused(node, "has sizes that are known only when it runs");
      t.outputs.push_back(output.shape());
      t.sources.push_back(as_sources(output));
    }
  } catch (const Error&) {
    return refused(node, "has sizes that are too large, or known only when it runs");
  }
  return t;
}

bool moves_elements(const Node& node) {
  if (const auto* unfold = std::get_if<ops::UnfoldDepth>(&node.attributes)) {
    return unfold->pad_begin == 0 && unfold->pad_end == 0;
  }
  if (const auto* fold =
          std::get_if<ops::FoldDepth>(&node.attributes)) {  // with one slice for each it adds none
    const ops::UnfoldDepth& w = fold->window;
    return w.kernel == 1 && w.stride == 1 && w.pad_begin == 0 && w.pad_end == 0 &&
           fold->output_padding == 0 && input_of(node, 1) == kAbsent;
  }
  return definition(node.attributes).known_rule == KnownRule::moves ||
         is_any<ops::Concat, ops::Pad, ops::DepthToSpace, ops::SpaceToDepth>(node.attributes);
}

}  // namespace pleat
