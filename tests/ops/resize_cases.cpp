#include "support/op_case.hpp"

namespace pleat::test {
namespace {

CaseInput constants(const std::vector<double>& values, DType dtype) {
  CaseInput input = integers(values);
  input.dtype = dtype;
  return input;
}

OpCase with_scales(std::string name, ops::Resize attributes, Shape shape, const std::vector<double>& scales) {
  const CaseInput absent{.shape = {}, .absent = true};
  return {.name = "resize " + name,
          .attributes = std::move(attributes),
          .inputs = {{.shape = std::move(shape)}, absent, constants(scales, DType::f32), absent}};
}

OpCase with_sizes(std::string name, ops::Resize attributes, Shape shape, const std::vector<double>& sizes) {
  OpCase made = with_scales(std::move(name), std::move(attributes), std::move(shape), {});
  made.inputs[2] = {.shape = {}, .absent = true};
  made.inputs[3] = constants(sizes, DType::i64);
  return made;
}

}  // namespace

std::vector<OpCase> resize_cases() {
  ops::Resize nearest, linear, cubic, corners, smooth, outside, crop, last;
  linear.mode = smooth.mode = crop.mode = ops::ResizeMode::linear;
  cubic.mode = corners.mode = outside.mode = ops::ResizeMode::cubic;
  corners.coordinates = ops::ResizeCoordinates::align_corners;
  smooth.antialias = true;
  outside.exclude_outside = outside.antialias = true;
  crop.coordinates = ops::ResizeCoordinates::tf_crop_and_resize;
  crop.extrapolation = 3;
  last.axes = {-1};
  last.policy = ops::ResizePolicy::not_larger;
  OpCase cropped = with_sizes("a region", crop, {1, 2, 6, 5}, {1, 2, 4, 7});
  cropped.inputs[1] = constants({0, 0, 0.2, -0.3, 1, 1, 0.7, 1.1}, DType::f32);
  OpCase nearest_cropped = cropped;
  crop.mode = ops::ResizeMode::nearest;
  nearest_cropped.name = "resize a region, nearest";
  nearest_cropped.attributes = crop;
  return {
      with_scales("nearest twice", nearest, {2, 3, 5, 4}, {1, 1, 2, 2}),
      with_sizes("nearest smaller", nearest, {1, 2, 9, 7}, {1, 2, 4, 3}),
      with_scales("nearest of channels and rows", nearest, {1, 2, 3, 4, 2}, {1, 1.5, 1, 2, 1}),
      with_sizes("nearest along one axis", last, {3, 1, 5}, {8}),
      with_scales("linear twice", linear, {2, 3, 5, 4}, {1, 1, 2, 2}),
      with_sizes("linear, one axis larger and one smaller", linear, {1, 2, 9, 4}, {1, 2, 5, 7}),
      with_scales("linear volume", linear, {1, 1, 3, 2, 3}, {1, 1, 2, 1.5, 2}),
      with_scales("linear unchanged", linear, {2, 3}, {1, 1}),
      with_scales("linear antialias", smooth, {1, 2, 9, 8}, {1, 1, 0.4, 0.3}),
      with_scales("cubic", cubic, {1, 2, 4, 5}, {1, 1, 2, 1.7}),
      with_sizes("cubic align_corners", corners, {1, 2, 7, 4}, {1, 2, 5, 6}),
      with_scales("cubic antialias without what is outside", outside, {1, 1, 9, 4}, {1, 1, 0.4, 1.5}),
      cropped,
      nearest_cropped,
  };
}

}  // namespace pleat::test
