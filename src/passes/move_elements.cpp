// Affines pass an op that only moves elements (reshape, transpose, concat, slice, pad ...) as its elements
// do.

#include <cmath>

#include "base/format.hpp"
#include "graph/edit.hpp"
#include "passes/commute.hpp"
#include "passes/trace_elements.hpp"

namespace pleat {
namespace {

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

Passage move_up_elements(const GraphData& graph, const Node& node, size_t output, const Affine& affine) {
  const Trace t = trace_elements(graph, node, affine);
  if (!t.refusal.empty()) return {.refusal = t.refusal};
  Passage passage;
  std::vector<Affine> before;
  std::vector<std::vector<bool>> read;  // elements whose affine is settled
  int64_t numbers = 0;
  for (const Trace::Input& input : t.inputs) {
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
  const Trace t = trace_elements(graph, node, affine);
  if (!t.refusal.empty()) return {.refusal = t.refusal};
  const Trace::Input& from = t.inputs[input];
  if (from.first < 0) return {.refusal = concat(node.name, " is not linear")};
  Passage passage;
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

void apply_passage(GraphData& graph, Node& node, const Passage& passage) {
  if (!passage.pad_value) return;
  set_input(node, kPadValue,
            add_constant(graph, node.name + ".value",
                         Tensor::from<float>(Shape{}, {static_cast<float>(*passage.pad_value)})));
}

}  // namespace pleat
