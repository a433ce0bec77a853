// Resize and its forerunner Upsample, which knew scales only and counted coordinates from the corner.

#include "formats/onnx/operators.hpp"

namespace pleat::formats {
namespace {

using ops::NearestMode;
using ops::ResizeCoordinates;
using ops::ResizeMode;
using ops::ResizePolicy;

constexpr std::pair<std::string_view, ResizeMode> kModes[] = {{"nearest", ResizeMode::nearest},
                                                              {"linear", ResizeMode::linear},
                                                              {"bilinear", ResizeMode::linear},
                                                              {"cubic", ResizeMode::cubic}};
constexpr std::pair<std::string_view, ResizeCoordinates> kCoordinates[] = {
    {"half_pixel", ResizeCoordinates::half_pixel},
    {"half_pixel_symmetric", ResizeCoordinates::half_pixel_symmetric},
    {"pytorch_half_pixel", ResizeCoordinates::pytorch_half_pixel},
    {"align_corners", ResizeCoordinates::align_corners},
    {"asymmetric", ResizeCoordinates::asymmetric},
    {"tf_half_pixel_for_nn", ResizeCoordinates::tf_half_pixel_for_nn},
    {"tf_crop_and_resize", ResizeCoordinates::tf_crop_and_resize}};
constexpr std::pair<std::string_view, NearestMode> kNearest[] = {
    {"round_prefer_floor", NearestMode::round_prefer_floor},
    {"round_prefer_ceil", NearestMode::round_prefer_ceil},
    {"floor", NearestMode::floor},
    {"ceil", NearestMode::ceil}};
constexpr std::pair<std::string_view, ResizePolicy> kPolicies[] = {
    {"stretch", ResizePolicy::stretch},
    {"not_larger", ResizePolicy::not_larger},
    {"not_smaller", ResizePolicy::not_smaller}};

ops::Resize from_the_corner(NodeImport& node) {
  ops::Resize rule;
  rule.mode = node.choice("mode", "nearest", kModes);
  rule.coordinates = ResizeCoordinates::asymmetric;
  rule.nearest = NearestMode::floor;
  return rule;
}

std::vector<ValueId> upsample(NodeImport& node) {
  const ops::Resize rule = from_the_corner(node);
  if (node.opset() >= 9) return {node.add(rule, {node.in(0), kAbsent, node.in(1), kAbsent})};
  const std::vector<float> scales = node.numbers("scales");
  const ValueId given = node.add_data(Tensor::from<float>({static_cast<int64_t>(scales.size())}, scales));
  return {node.add(rule, {node.in(0), kAbsent, given, kAbsent})};
}

// An input without elements stands for an absent one.
ValueId filled(NodeImport& node, int input) {
  return node.has(input) && node.shape(input).numel() != 0 ? node.in(input) : kAbsent;
}

std::vector<ValueId> resize(NodeImport& node) {
  if (node.opset() < 11) {
    return {node.add(from_the_corner(node), {node.in(0), kAbsent, node.in(1), kAbsent})};
  }
  const ops::Resize rule{
      .mode = node.choice("mode", "nearest", kModes),
      .coordinates = node.choice("coordinate_transformation_mode", "half_pixel", kCoordinates),
      .nearest = node.choice("nearest_mode", "round_prefer_floor", kNearest),
      .policy = node.choice("keep_aspect_ratio_policy", "stretch", kPolicies),
      .cubic_a = node.number("cubic_coeff_a", -0.75),
      .extrapolation = node.number("extrapolation_value", 0),
      .exclude_outside = node.flag("exclude_outside", false),
      .antialias = node.flag("antialias", false),
      .axes = node.optional_integers("axes").value_or(std::vector<int64_t>())};
  const bool crops = rule.coordinates == ResizeCoordinates::tf_crop_and_resize;
  const ValueId scales = filled(node, 2), sizes = filled(node, 3);
  if ((scales == kAbsent) == (sizes == kAbsent)) node.fail("needs either scales or sizes");
  return {node.add(rule, {node.in(0), crops ? filled(node, 1) : kAbsent, scales, sizes})};
}

}  // namespace

std::span<const Operator> resize_operators() {
  static constexpr Operator kOperators[] = {{"Resize", 10, kLastOpset, resize}, {"Upsample", 7, 9, upsample}};
  return kOperators;
}

}  // namespace pleat::formats
