// Affines pass an op that only moves elements (reshape, transpose, concat, slice, pad ...) as its elements
// do: numbers 0, 1, 2 ... are sent through the op, and tell where each element of the result comes from.

#include <algorithm>
#include <cmath>
#include <numeric>

#include "base/format.hpp"
#include "ops/evaluate.hpp"
#include "passes/commute.hpp"

namespace pleat {
namespace {

constexpr int64_t kMostElements = 1 << 22;
constexpr size_t kPadValue = 2;
constexpr int64_t kPadding = -1;  // an element that is a Pad's constant

// An affine's entry for each element of a value.
struct Entries {
  Shape shape;
  int64_t first = 0;  // number of the first element
};

// The node with every dynamic dimension given a size: its inputs' elements numbered, its results' sources.
struct Trace {
  std::string refusal = {};
  std::vector<Entries> inputs = {};  // by input; rank 0 and first < 0 for those that are no data
  std::vector<Shape> outputs = {};
  std::vector<std::vector<int64_t>> sources = {};  // by output
};

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
  if (x.numel() > kMostElements) return refused(node, "is too large to be followed");
  std::vector<int64_t> sources(static_cast<size_t>(x.numel()));
  std::iota(sources.begin(), sources.end(), 0);
  return {.inputs = {{x}}, .outputs = {y}, .sources = {sources}};
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

Trace trace(const GraphData& graph, const Node& node, const Affine& affine) {
  if (definition(node.attributes).is_view) return trace_view(graph, node);
  Trace t;
  std::vector<Tensor> tensors(node.inputs.size());
  std::vector<const Tensor*> operands(node.inputs.size(), nullptr);
  int64_t count = 0;
  for (size_t i = 0; i < node.inputs.size(); ++i) {
    const ValueId id = node.inputs[i];
    t.inputs.push_back({{}, -1});
    if (id == kAbsent) continue;
    const ValueType& type = graph.value(id).type;
    if (is_data(node, i)) {
      t.inputs[i] = {sizes_for(node, type.shape, affine), count};
      count += t.inputs[i].shape.numel();
      if (count > kMostElements) return refused(node, "is too large to be followed");
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
    for (const Tensor& output : evaluate(node.attributes, operands)) {
      if (output.numel() == 0) return refused(node, "has sizes that are known only when it runs");
      t.outputs.push_back(output.shape());
      t.sources.push_back(as_sources(output));
    }
  } catch (const Error&) {
    return refused(node, "has sizes that are known only when it runs");
  }
  return t;
}

// Why an affine cannot be one of the value: it varies along a size that may be any.
std::string varies_where_dynamic(const GraphData& graph, ValueId value, const Affine& affine) {
  const Shape& shape = graph.value(value).type.shape;
  for (int d = 0; d < shape.rank(); ++d) {
    if (shape[d] == kDynamic && affine.varies_along(d))
      return concat("varies along dimension ", d, " of ", graph.value(value).name,
                    ", whose size is known only when it runs");
  }
  return "";
}

Affine blank(const Shape& shape) {
  const auto count = static_cast<size_t>(shape.numel());
  return {shape, std::vector<double>(count, 1.0), std::vector<double>(count, 0.0)};
}

// What a Pad's constant is now, 0 where none is given; nullopt: not constant.
std::optional<double> pad_value(const GraphData& graph, const Node& node) {
  const ValueId value = input_of(node, kPadValue);
  if (value == kAbsent) return 0.0;
  if (!is_constant(graph, value)) return std::nullopt;
  return constant_values(graph, value)[0];
}

// Adds what the padding must be with an affine (s, t) on a padded element: one value has to do for all.
bool agree_on_padding(Passage& passage, double value) {
  if (passage.pad_value && *passage.pad_value != value) return false;
  passage.pad_value = value;
  return std::isfinite(value);
}

std::string uneven_padding(const Node& node) {
  return concat(node.name, " (pad) would need another padding for each channel");
}

}  // namespace

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

Passage move_up_elements(const GraphData& graph, const Node& node, size_t output, const Affine& affine) {
  const Trace t = trace(graph, node, affine);
  if (!t.refusal.empty()) return {.refusal = t.refusal};
  Passage passage;
  std::vector<Affine> before;
  std::vector<std::vector<bool>> read;  // elements whose affine is settled
  int64_t numbers = 0;
  for (const Entries& input : t.inputs) {
    before.push_back(input.first < 0 ? Affine{} : blank(input.shape));
    read.emplace_back(before.back().scale.size(), false);
    if (input.first >= 0) numbers = input.first + input.shape.numel();
  }
  std::vector<size_t> owner(static_cast<size_t>(numbers));  // by number: its input
  for (size_t i = 0; i < t.inputs.size(); ++i) {
    for (size_t e = 0; e < before[i].scale.size(); ++e) owner[static_cast<size_t>(t.inputs[i].first) + e] = i;
  }
  for (size_t k = 0; k < t.outputs.size(); ++k) {
    const Affine one = k == output ? affine : identity_affine(t.outputs[k].rank());
    const std::vector<int64_t> at = places(one.shape, t.outputs[k]);
    for (size_t e = 0; e < at.size(); ++e) {
      const double s = one.scale[static_cast<size_t>(at[e])], shift = one.shift[static_cast<size_t>(at[e])];
      const int64_t source = t.sources[k][e];
      if (source == kPadding) {
        const auto value = pad_value(graph, node);
        if (!value || !agree_on_padding(passage, *value * s + shift))
          return {.refusal = uneven_padding(node)};
        continue;
      }
      const size_t i = owner[static_cast<size_t>(source)];
      const auto place = static_cast<size_t>(source - t.inputs[i].first);
      if (read[i][place] && (before[i].scale[place] != s || before[i].shift[place] != shift))
        return {.refusal = concat(node.name, " gives one element to several, which it would treat unlike")};
      read[i][place] = true;
      before[i].scale[place] = s;
      before[i].shift[place] = shift;
    }
  }
  for (size_t i = 0; i < before.size(); ++i) {
    if (t.inputs[i].first < 0) continue;
    passage.parts.emplace_back(i, compacted(std::move(before[i]), std::move(read[i])));
    passage.refusal = varies_where_dynamic(graph, node.inputs[i], passage.parts.back().second);
    if (!passage.refusal.empty()) return passage;
  }
  return passage;
}

Passage move_down_elements(const GraphData& graph, const Node& node, size_t input, const Affine& affine) {
  const Trace t = trace(graph, node, affine);
  if (!t.refusal.empty()) return {.refusal = t.refusal};
  if (!is_data(node, input)) return {.refusal = concat(node.name, " is not linear")};
  Passage passage;
  const Entries& from = t.inputs[input];
  const std::vector<int64_t> at = places(affine.shape, from.shape);
  for (size_t k = 0; k < t.outputs.size(); ++k) {
    Affine after = blank(t.outputs[k]);
    std::vector<bool> needed(after.scale.size(), true);
    for (size_t e = 0; e < after.scale.size(); ++e) {
      const int64_t place = t.sources[k][e] - from.first;
      needed[e] = t.sources[k][e] != kPadding;
      if (!needed[e] || place < 0 || place >= from.shape.numel()) continue;
      after.scale[e] = affine.scale[static_cast<size_t>(at[static_cast<size_t>(place)])];
      after.shift[e] = affine.shift[static_cast<size_t>(at[static_cast<size_t>(place)])];
    }
    const std::vector<bool> inside = needed;
    after = compacted(std::move(after), std::move(needed));
    const std::vector<int64_t> entry = places(after.shape, t.outputs[k]);
    for (size_t e = 0; e < entry.size(); ++e) {
      if (inside[e]) continue;
      const auto i = static_cast<size_t>(entry[e]);
      const auto value = pad_value(graph, node);
      const bool done =
          value &&
          (*value == after.shift[i] ? agree_on_padding(passage, 0)
                                    : agree_on_padding(passage, (*value - after.shift[i]) / after.scale[i]));
      if (!done) return {.refusal = uneven_padding(node)};
    }
    passage.refusal = varies_where_dynamic(graph, node.outputs[k], after);
    if (!passage.refusal.empty()) return passage;
    passage.parts.emplace_back(k, std::move(after));
  }
  return passage;
}

}  // namespace pleat
