// Ops that move elements.

#include "formats/onnx/write_ops.hpp"

namespace pleat::formats {
namespace {

int64_t positive(int64_t axis, int rank) {
  return axis < 0 ? axis + rank : axis;
}

// What is given for some axes (in each of several equal parts, as begins and ends) for all of them, `other`
// elsewhere.
template <class T>
std::vector<T> for_all_axes(const std::vector<T>& given, const std::vector<int64_t>& axes, int rank,
                            const std::vector<T>& other) {
  std::vector<T> all = other;
  const size_t parts = other.size() / static_cast<size_t>(rank);
  if (given.size() != parts * axes.size()) {
    fail("gives ", given.size(), " numbers for ", axes.size(), " axes");
  }
  for (size_t i = 0; i < given.size(); ++i) {
    const size_t part = i / axes.size();
    const int64_t axis = positive(axes[i % axes.size()], rank);
    all.at(part * static_cast<size_t>(rank) + static_cast<size_t>(axis)) = given[i];
  }
  return all;
}

const char* name_of(ops::PadMode mode) {
  switch (mode) {
    case ops::PadMode::constant:
      return "constant";
    case ops::PadMode::reflect:
      return "reflect";
    case ops::PadMode::edge:
      return "edge";
    case ops::PadMode::wrap:
      break;
  }
  fail("mode wrap needs opset 19");
}

const char* name_of(ops::ResizeCoordinates coordinates) {
  switch (coordinates) {
    case ops::ResizeCoordinates::half_pixel:
      return "half_pixel";
    case ops::ResizeCoordinates::pytorch_half_pixel:
      return "pytorch_half_pixel";
    case ops::ResizeCoordinates::align_corners:
      return "align_corners";
    case ops::ResizeCoordinates::asymmetric:
      return "asymmetric";
    case ops::ResizeCoordinates::tf_crop_and_resize:
      return "tf_crop_and_resize";
    case ops::ResizeCoordinates::half_pixel_symmetric:
      fail("coordinates half_pixel_symmetric need opset 19");
    case ops::ResizeCoordinates::tf_half_pixel_for_nn:
      fail("coordinates tf_half_pixel_for_nn need opset 11 or 12");
  }
  return "";
}

const char* name_of(ops::ResizeMode mode) {
  constexpr const char* names[] = {"nearest", "linear", "cubic"};
  return names[static_cast<size_t>(mode)];
}

const char* name_of(ops::NearestMode mode) {
  constexpr const char* names[] = {"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"};
  return names[static_cast<size_t>(mode)];
}

// Resize's input i, whose numbers are for op.axes, for every dimension.
std::string resize_input(NodeWriter& node, const ops::Resize& op, size_t i, const char* what) {
  constexpr size_t kRoi = 1, kScales = 2;
  if (!node.has(i) || op.axes.empty()) return node.in(i);
  const int rank = node.shape(0).rank();
  const Tensor* given = node.data(i);
  if (given == nullptr) fail(what, " for some axes that are not constant need opset 18");
  const Tensor values = given->to(DType::f64);
  const std::vector<double> numbers(values.data<double>(), values.data<double>() + values.numel());
  std::vector<double> other(static_cast<size_t>(rank) * (i == kRoi ? 2 : 1), i == kScales ? 1 : 0);
  if (i == kRoi) std::fill(other.begin() + rank, other.end(), 1);
  if (i > kScales) {
    for (int d = 0; d < rank; ++d) other[static_cast<size_t>(d)] = static_cast<double>(node.out_shape()[d]);
  }
  const std::vector<double> all = for_all_axes(numbers, op.axes, rank, other);
  if (i > kScales && !node.out_shape().is_static()) fail("sizes for some axes of unknown ones need opset 18");
  return node.constant(Tensor::from<double>({static_cast<int64_t>(all.size())}, all).to(given->dtype()));
}

}  // namespace

Names write(NodeWriter& node, const ops::Concat& op) {
  Names inputs;
  for (size_t i = 0; i < node.input_count(); ++i) inputs.push_back(node.in(i));
  return {node.add("Concat", inputs, {{"axis", op.dim}})};
}

// Sizes are spelled out where they are not equal: that came with opset 18.
Names write(NodeWriter& node, const ops::Split& op) {
  std::string sizes = node.in_as(1, DType::i64);
  const int dim = static_cast<int>(positive(op.dim, node.shape(0).rank()));
  const int64_t size = node.shape(0)[dim];
  const size_t parts = node.output_count();
  if (sizes.empty() && size != kDynamic && size % op.parts != 0) {
    std::vector<int64_t> given;
    for (size_t i = 0; i < parts; ++i) given.push_back(node.out_shape(i)[dim]);
    sizes = node.integers(given);
  }
  return node.add("Split", {node.in(0), sizes}, {{"axis", op.dim}}, parts);
}

Names write(NodeWriter& node, const ops::Slice& op) {
  return {node.add(
      "Slice", {node.in(0), node.integers({op.begin}), node.integers({op.end}), node.integers({op.dim})})};
}

Names write(NodeWriter& node, const ops::StridedSlice&) {
  Names inputs = {node.in(0)};
  for (size_t i = 1; i <= 4; ++i) inputs.push_back(node.in_as(i, DType::i64));
  return {node.add("Slice", inputs)};
}

Names write(NodeWriter& node, const ops::Transpose& op) {
  OnnxAttributes attributes;
  if (!op.order.empty()) attributes.push_back({"perm", op.order});
  return {node.add("Transpose", {node.in(0)}, attributes)};
}

Names write(NodeWriter& node, const ops::Expand&) {
  return {node.add("Expand", {node.in(0), node.in_as(1, DType::i64)})};
}

Names write(NodeWriter& node, const ops::Tile&) {
  return {node.add("Tile", {node.in(0), node.in_as(1, DType::i64)})};
}

Names write(NodeWriter& node, const ops::Gather& op) {
  return {node.add("Gather", {node.in(0), node.in(1)}, {{"axis", op.dim}})};
}

// Pads are for every dimension: axes came with opset 18.
Names write(NodeWriter& node, const ops::Pad& op) {
  constexpr size_t kPads = 1, kValue = 2, kAxes = 3;
  std::string pads;
  if (!node.has(kAxes)) {
    pads = node.in_as(kPads, DType::i64);
  } else {
    const auto given = node.known(kPads), axes = node.known(kAxes);
    if (!given || !axes) fail("pads for some axes that are not constant need opset 18");
    const int rank = node.shape(0).rank();
    pads = node.integers(
        for_all_axes(*given, *axes, rank, std::vector<int64_t>(2 * static_cast<size_t>(rank), 0)));
  }
  return {node.add("Pad", {node.in(0), pads, node.in(kValue)}, {{"mode", name_of(op.mode)}})};
}

Names write(NodeWriter& node, const ops::Resize& op) {
  if (op.antialias) fail("antialias needs opset 18");
  if (op.policy != ops::ResizePolicy::stretch) fail("a policy that keeps the aspect ratio needs opset 18");
  OnnxAttributes attributes = {{"mode", name_of(op.mode)},
                               {"coordinate_transformation_mode", name_of(op.coordinates)}};
  if (op.mode == ops::ResizeMode::nearest) attributes.push_back({"nearest_mode", name_of(op.nearest)});
  if (op.mode == ops::ResizeMode::cubic) attributes.push_back({"cubic_coeff_a", op.cubic_a});
  if (op.exclude_outside) attributes.push_back({"exclude_outside", 1});
  if (op.coordinates == ops::ResizeCoordinates::tf_crop_and_resize) {
    attributes.push_back({"extrapolation_value", op.extrapolation});
  }
  return {node.add("Resize",
                   {node.in(0), resize_input(node, op, 1, "a region"), resize_input(node, op, 2, "scales"),
                    resize_input(node, op, 3, "sizes")},
                   attributes)};
}

}  // namespace pleat::formats
