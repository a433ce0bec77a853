// What takes parts of values, and puts values together.

#include "formats/onnx/operators.hpp"

namespace pleat::formats {
namespace {

std::vector<ValueId> concatenate(NodeImport& node) {
  std::vector<ValueId> inputs;
  for (int i = 0; i < node.input_count(); ++i) inputs.push_back(node.in(i));
  if (inputs.empty()) node.fail("needs at least one input");
  for (const ValueId input : inputs) {
    if (node.type_of(input).dtype != node.type_of(inputs[0]).dtype) node.fail("needs inputs of one type");
  }
  return {node.add(ops::Concat{node.axis(node.integer("axis"), node.shape(0).rank())}, inputs)};
}

std::vector<ValueId> slice(NodeImport& node) {
  if (node.opset() >= 10) {
    return {
        node.add(ops::StridedSlice{}, {node.in(0), node.in(1), node.in(2), node.in_if(3), node.in_if(4)})};
  }
  const auto axes = node.optional_integers("axes");
  return {node.add(ops::StridedSlice{}, {node.in(0), node.add_integers(node.integers("starts")),
                                         node.add_integers(node.integers("ends")),
                                         axes ? node.add_integers(*axes) : kAbsent, kAbsent})};
}

/// The sizes of the parts; kAbsent for equal ones.
ValueId part_sizes(NodeImport& node, int64_t dim, int64_t parts) {
  if (node.opset() < 13) {
    const auto sizes = node.optional_integers("split");
    return sizes ? node.add_integers(*sizes) : kAbsent;
  }
  if (node.has(1)) return node.in(1);
  // The last part is smaller where the rest do not fill the dimension.
  const int64_t size = node.shape(0)[static_cast<int>(dim)];
  if (node.opset() < 18 || size == kDynamic || size % parts == 0) return kAbsent;
  const int64_t each = (size + parts - 1) / parts;
  std::vector<int64_t> sizes(static_cast<size_t>(parts), each);
  sizes.back() = size - each * (parts - 1);
  if (sizes.back() < 0) node.fail("cannot split ", size, " into ", parts, " parts");
  return node.add_integers(sizes);
}

std::vector<ValueId> split(NodeImport& node) {
  const int64_t parts = node.output_count();
  if (node.opset() >= 18 && node.integer("num_outputs", parts) != parts) {
    node.fail("attribute num_outputs differs from its ", parts, " outputs");
  }
  const int64_t dim = node.axis(node.integer("axis", 0), node.shape(0).rank());
  return node.add_all(ops::Split{dim, parts}, {node.in(0), part_sizes(node, dim, parts)});
}

std::vector<ValueId> gather(NodeImport& node) {
  const int64_t dim = node.axis(node.integer("axis", 0), node.shape(0).rank());
  const ValueId indices =
      node.dtype(1) == DType::i64 ? node.in(1) : node.add(ops::Cast{DType::i64}, {node.in(1)});
  return {node.add(ops::Gather{dim}, {node.parameter(0), indices})};
}

std::vector<ValueId> pad(NodeImport& node) {
  static constexpr std::pair<std::string_view, ops::PadMode> kModes[] = {{"constant", ops::PadMode::constant},
                                                                         {"reflect", ops::PadMode::reflect},
                                                                         {"edge", ops::PadMode::edge},
                                                                         {"wrap", ops::PadMode::wrap}};
  const ops::Pad rule{node.choice("mode", "constant", kModes)};
  if (node.opset() >= 11) {
    return {node.add(rule, {node.in(0), node.in(1), node.in_if(2), node.in_if(3)})};
  }
  const ValueId pads = node.add_integers(node.integers("pads"));
  return {node.add(rule, {node.in(0), pads, node.add_number(node.number("value", 0)), kAbsent})};
}

}  // namespace

std::span<const Operator> slice_operators() {
  static constexpr Operator kOperators[] = {{"Concat", 4, kLastOpset, concatenate},
                                            {"Slice", 1, kLastOpset, slice},
                                            {"Split", 2, kLastOpset, split},
                                            {"Gather", 1, kLastOpset, gather},
                                            {"Pad", 2, kLastOpset, pad}};
  return kOperators;
}

}  // namespace pleat::formats
