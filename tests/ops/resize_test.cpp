// ONNX's published values of Resize, shapes, errors.

#include <doctest/doctest.h>

#include "support/run_op.hpp"

namespace pleat::test {
namespace {

using enum ops::ResizeMode;
using enum ops::ResizeCoordinates;
using enum ops::ResizePolicy;

// x counts from 1, row by row.
struct Published {
  std::string name;
  ops::Resize attributes;
  Shape x;
  std::vector<double> scales, sizes, roi;
  Shape y;
  std::vector<double> values;  // of large ones the first and the last row
};

std::vector<Published> published() {
  return {
      {"downsample scales cubic",
       {.mode = cubic, .axes = {}},
       {1, 1, 4, 4},
       {1, 1, 0.80000001, 0.80000001},
       {},
       {},
       {1, 1, 3, 3},
       {1.4711914, 2.78125, 4.0825195, 6.7114258, 8.0214844, 9.3227539, 11.916504, 13.226562, 14.527832}},
      {"downsample scales cubic A n0p5 exclude outside",
       {.mode = cubic, .cubic_a = -0.5, .exclude_outside = true, .axes = {}},
       {1, 1, 4, 4},
       {1, 1, 0.80000001, 0.80000001},
       {},
       {},
       {1, 1, 3, 3},
       {1.3681267, 2.6695013, 4.0133367, 6.5736251, 7.875, 9.2188349, 11.948966, 13.250341, 14.594176}},
      {"downsample scales cubic align corners",
       {.mode = cubic, .coordinates = align_corners, .axes = {}},
       {1, 1, 4, 4},
       {1, 1, 0.80000001, 0.80000001},
       {},
       {},
       {1, 1, 3, 3},
       {1, 2.3951917, 3.7903831, 6.5807662, 7.9759579, 9.3711491, 12.161532, 13.556724, 14.951916}},
      {"downsample scales linear",
       {.mode = linear, .axes = {}},
       {1, 1, 2, 4},
       {1, 1, 0.60000002, 0.60000002},
       {},
       {},
       {1, 1, 1, 2},
       {2.6666665, 4.333333}},
      {"downsample scales linear align corners",
       {.mode = linear, .coordinates = align_corners, .axes = {}},
       {1, 1, 2, 4},
       {1, 1, 0.60000002, 0.60000002},
       {},
       {},
       {1, 1, 1, 2},
       {1, 3.1428571}},
      {"downsample scales nearest",
       {.axes = {}},
       {1, 1, 2, 4},
       {1, 1, 0.60000002, 0.60000002},
       {},
       {},
       {1, 1, 1, 2},
       {1, 3}},
      {"downsample sizes cubic",
       {.mode = cubic, .axes = {}},
       {1, 1, 4, 4},
       {},
       {1, 1, 3, 3},
       {},
       {1, 1, 3, 3},
       {1.630787, 3.0046296, 4.3784723, 7.1261573, 8.5, 9.8738422, 12.621528, 13.99537, 15.369213}},
      {"downsample sizes linear pytorch half pixel",
       {.mode = linear, .coordinates = pytorch_half_pixel, .axes = {}},
       {1, 1, 4, 4},
       {},
       {1, 1, 3, 1},
       {},
       {1, 1, 3, 1},
       {1.6666666, 7, 12.333333}},
      {"downsample sizes nearest", {.axes = {}}, {1, 1, 2, 4}, {}, {1, 1, 1, 3}, {}, {1, 1, 1, 3}, {1, 2, 4}},
      {"downsample sizes nearest tf half pixel for nn",
       {.coordinates = tf_half_pixel_for_nn, .axes = {}},
       {1, 1, 4, 4},
       {},
       {1, 1, 3, 2},
       {},
       {1, 1, 3, 2},
       {6, 8, 10, 12, 14, 16}},
      {"tf_crop_and_resize with extrapolation",
       {.mode = linear, .coordinates = tf_crop_and_resize, .extrapolation = 10, .axes = {}},
       {1, 1, 4, 4},
       {},
       {1, 1, 3, 3},
       {0, 0, 0.40000001, 0.60000002, 1, 1, 1.2, 1.7},
       {1, 1, 3, 3},
       {7.6000004, 10, 10, 12.400001, 10, 10, 10, 10, 10}},
      {"upsample scales cubic",
       {.mode = cubic, .axes = {}},
       {1, 1, 4, 4},
       {1, 1, 2, 2},
       {},
       {},
       {1, 1, 8, 8},
       {0.47265625, 0.76953125, 1.2460938, 1.875, 2.28125, 2.9101562, 3.3867188, 3.6835938, 13.316406,
        13.613281, 14.089844, 14.71875, 15.125, 15.753906, 16.230469, 16.527344}},
      {"upsample scales cubic A n0p5 exclude outside",
       {.mode = cubic, .cubic_a = -0.5, .exclude_outside = true, .axes = {}},
       {1, 1, 4, 4},
       {1, 1, 2, 2},
       {},
       {},
       {1, 1, 8, 8},
       {0.55882353, 0.81494206, 1.3569825, 1.8970588, 2.3970587, 2.9371352, 3.4791756, 3.7352941, 13.264706,
        13.520824, 14.062865, 14.602942, 15.102942, 15.643018, 16.185059, 16.441177}},
      {"upsample scales cubic align corners",
       {.mode = cubic, .coordinates = align_corners, .axes = {}},
       {1, 1, 4, 4},
       {1, 1, 2, 2},
       {},
       {},
       {1, 1, 8, 8},
       {1, 1.3411078, 1.8002915, 2.3294461, 2.6705539, 3.1997085, 3.6588922, 4, 13, 13.341108, 13.800292,
        14.329446, 14.670554, 15.199708, 15.658892, 16}},
      {"upsample scales cubic asymmetric",
       {.mode = cubic, .coordinates = asymmetric, .axes = {}},
       {1, 1, 4, 4},
       {1, 1, 2, 2},
       {},
       {},
       {1, 1, 8, 8},
       {1, 1.40625, 2, 2.5, 3, 3.59375, 4, 4.09375, 13.375, 13.78125, 14.375, 14.875, 15.375, 15.96875,
        16.375, 16.46875}},
      {"upsample scales linear",
       {.mode = linear, .axes = {}},
       {1, 1, 2, 2},
       {1, 1, 2, 2},
       {},
       {},
       {1, 1, 4, 4},
       {1, 1.25, 1.75, 2, 1.5, 1.75, 2.25, 2.5, 2.5, 2.75, 3.25, 3.5, 3, 3.25, 3.75, 4}},
      {"upsample scales linear align corners",
       {.mode = linear, .coordinates = align_corners, .axes = {}},
       {1, 1, 2, 2},
       {1, 1, 2, 2},
       {},
       {},
       {1, 1, 4, 4},
       {1, 1.3333334, 1.6666666, 2, 1.6666666, 2, 2.3333333, 2.6666667, 2.3333333, 2.6666667, 3, 3.3333333, 3,
        3.3333333, 3.6666667, 4}},
      {"upsample scales nearest",
       {.axes = {}},
       {1, 1, 2, 2},
       {1, 1, 2, 3},
       {},
       {},
       {1, 1, 4, 6},
       {1, 1, 1, 2, 2, 2, 1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4, 3, 3, 3, 4, 4, 4}},
      {"upsample sizes cubic",
       {.mode = cubic, .axes = {}},
       {1, 1, 4, 4},
       {},
       {1, 1, 9, 10},
       {},
       {1, 1, 9, 10},
       {0.45507923, 0.64057922, 0.97157919, 1.4225792, 1.9073292, 2.2233293, 2.7080791,
        3.1590793,  3.4900792,  3.6755793,  13.324421, 13.509921, 13.84092,  14.291921,
        14.77667,   15.09267,   15.577421,  16.028421, 16.359421, 16.54492}},
      {"upsample sizes nearest",
       {.axes = {}},
       {1, 1, 2, 2},
       {},
       {1, 1, 7, 8},
       {},
       {1, 1, 7, 8},
       {1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4}},
      {"upsample sizes nearest ceil half pixel",
       {.nearest = ops::NearestMode::ceil, .axes = {}},
       {1, 1, 4, 4},
       {},
       {1, 1, 8, 8},
       {},
       {1, 1, 8, 8},
       {1, 2, 2, 3, 3, 4, 4, 4, 13, 14, 14, 15, 15, 16, 16, 16}},
      {"upsample sizes nearest floor align corners",
       {.coordinates = align_corners, .nearest = ops::NearestMode::floor, .axes = {}},
       {1, 1, 4, 4},
       {},
       {1, 1, 8, 8},
       {},
       {1, 1, 8, 8},
       {1, 1, 1, 2, 2, 3, 3, 4, 13, 13, 13, 14, 14, 15, 15, 16}},
      {"upsample sizes nearest round prefer ceil asymmetric",
       {.coordinates = asymmetric, .nearest = ops::NearestMode::round_prefer_ceil, .axes = {}},
       {1, 1, 4, 4},
       {},
       {1, 1, 8, 8},
       {},
       {1, 1, 8, 8},
       {1, 2, 2, 3, 3, 4, 4, 4, 13, 14, 14, 15, 15, 16, 16, 16}},
      {"linear antialias scales",
       {.mode = linear, .antialias = true, .axes = {}},
       {1, 1, 4, 4},
       {1, 1, 0.6, 0.6},
       {},
       {},
       {1, 1, 2, 2},
       {2.875, 4.5, 9.375, 11}},
      {"linear antialias sizes",
       {.mode = linear, .antialias = true, .axes = {}},
       {1, 1, 4, 4},
       {},
       {1, 1, 3, 3},
       {},
       {1, 1, 3, 3},
       {2.3636363, 3.590909, 4.818182, 7.2727275, 8.5, 9.727273, 12.181818, 13.409091, 14.636364}},
      {"cubic antialias scales",
       {.mode = cubic, .antialias = true, .axes = {}},
       {1, 1, 4, 4},
       {1, 1, 0.6, 0.6},
       {},
       {},
       {1, 1, 2, 2},
       {2.5180721, 4.2858863, 9.589329, 11.357142}},
      {"cubic antialias sizes",
       {.mode = cubic, .antialias = true, .axes = {}},
       {1, 1, 4, 4},
       {},
       {1, 1, 3, 3},
       {},
       {1, 1, 3, 3},
       {1.7750092, 3.1200073, 4.4650054, 7.1550016, 8.5, 9.844998, 12.534994, 13.879993, 15.224991}},
      {"nearest axes 2 3", {.axes = {2, 3}}, {1, 1, 2, 2}, {2, 3}, {}, {}, {1, 1, 4, 6}, {1, 1, 1, 2, 2, 2,
                                                                                          1, 1, 1, 2, 2, 2,
                                                                                          3, 3, 3, 4, 4, 4,
                                                                                          3, 3, 3, 4, 4, 4}},
      {"nearest axes -1 2", {.axes = {-1, 2}}, {1, 1, 2, 2}, {3, 2}, {}, {}, {1, 1, 4, 6}, {1, 1, 1, 2, 2,
                                                                                            2, 1, 1, 1, 2,
                                                                                            2, 2, 3, 3, 3,
                                                                                            4, 4, 4, 3, 3,
                                                                                            3, 4, 4, 4}},
      {"tf_crop_and_resize axes 3 2",
       {.mode = linear, .coordinates = tf_crop_and_resize, .axes = {3, 2}},
       {1, 1, 4, 4},
       {},
       {3, 3},
       {0.6, 0.4, 0.8, 0.6},
       {1, 1, 3, 3},
       {7.6, 7.9, 8.2, 8.8, 9.1, 9.4, 10, 10.3, 10.6}},
      {"nearest not larger",
       {.policy = not_larger, .axes = {2, 3}},
       {1, 1, 2, 2},
       {},
       {7, 8},
       {},
       {1, 1, 7, 7},
       {1, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4}},
      {"nearest not smaller",
       {.policy = not_smaller, .axes = {2, 3}},
       {1, 1, 2, 2},
       {},
       {7, 8},
       {},
       {1, 1, 8, 8},
       {1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4}},
      {"nearest smaller, not larger",
       {.policy = not_larger, .axes = {2, 3}},
       {1, 1, 2, 4},
       {},
       {1, 3},
       {},
       {1, 1, 1, 2},
       {1, 3}},
      {"nearest smaller, not smaller",
       {.policy = not_smaller, .axes = {2, 3}},
       {1, 1, 2, 4},
       {},
       {1, 3},
       {},
       {1, 1, 2, 3},
       {1, 2, 4, 5, 6, 8}},
      {"linear half_pixel_symmetric, smaller",
       {.mode = linear, .coordinates = half_pixel_symmetric, .axes = {}},
       {1, 1, 1, 4},
       {1, 1, 1, 0.6},
       {},
       {},
       {1, 1, 1, 2},
       {1.6666667, 3.3333333}},
      {"linear half_pixel_symmetric, larger",
       {.mode = linear, .coordinates = half_pixel_symmetric, .axes = {}},
       {1, 1, 2, 2},
       {1, 1, 2.3, 2.94},
       {},
       {},
       {1, 1, 4, 5},
       {1,         1.159864,  1.5,       1.840136,  2,         1.5652174, 1.7250813,
        2.0652174, 2.4053534, 2.5652174, 2.4347826, 2.5946466, 2.9347826, 3.2749187,
        3.4347826, 3,         3.159864,  3.5,       3.840136,  4}},
  };
}

Tensor numbers(const std::vector<double>& values, DType dtype) {
  return Tensor::from<double>({static_cast<int64_t>(values.size())}, values).to(dtype);
}

ValueType known(const std::vector<double>& values, DType dtype) {
  return {dtype, {static_cast<int64_t>(values.size())}, known_value(numbers(values, dtype))};
}

// The shape for inputs x, roi, scales, sizes; null: absent.
Shape shape_of(const ops::Resize& attributes, const ValueType& x, const ValueType* roi,
               const ValueType* scales, const ValueType* sizes) {
  const ops::Attributes all = attributes;
  return definition(all).infer(all, {&x, roi, scales, sizes})[0].shape;
}

}  // namespace

TEST_CASE("resize: ONNX's published values") {
  for (const Published& one : published()) {
    INFO(one.name);
    Tensor x(one.x);
    for (int64_t i = 0; i < x.numel(); ++i) x.data<float>()[i] = static_cast<float>(i + 1);
    Tensor roi = numbers(one.roi, DType::f32), scales = numbers(one.scales, DType::f32),
           sizes = numbers(one.sizes, DType::i64);
    // An empty input is an absent one.
    const Tensor y = run_op<float>(one.attributes, {&x, &roi, &scales, &sizes})[0];
    CHECK(y.shape() == one.y);
    const int64_t count = static_cast<int64_t>(one.values.size()), row = one.y[3];
    for (int64_t i = 0; i < count; ++i) {
      const bool of_last_row = count < y.numel() && i >= row;
      const int64_t place = of_last_row ? y.numel() - count + i : i;
      CHECK(y.data<float>()[place] == doctest::Approx(one.values[static_cast<size_t>(i)]).epsilon(2e-6));
    }
  }
}

TEST_CASE("resize: the nearest of whole numbers, in five dimensions") {
  Tensor x = Tensor::from<int64_t>({1, 2, 2, 1, 2}, {1, 2, 3, 4, 5, 6, 7, 8});
  Tensor scales = numbers({1, 1, 0.5, 2, 1.5}, DType::f32);
  const Tensor y = run_op<float>(ops::Resize{}, {&x, nullptr, &scales, nullptr})[0];
  CHECK(y.shape() == Shape{1, 2, 1, 2, 3});
  const auto got = y.span<int64_t>();
  CHECK(std::vector<int64_t>(got.begin(), got.end()) ==
        std::vector<int64_t>{1, 1, 2, 1, 1, 2, 5, 5, 6, 5, 5, 6});
}

TEST_CASE("resize: shapes and errors") {
  const ValueType x{DType::f32, {kDynamic, 3, kDynamic, 10}}, whole{DType::i64, {1, 1, 4, 4}};
  const ValueType two = known({1, 1, 2, 0.7}, DType::f32), sizes = known({1, 3, 5, 5}, DType::i64);
  const ValueType later{DType::i64, {4}}, three = known({1, 2, 2}, DType::f32),
                                          zero = known({1, 1, 0, 1}, DType::f32);
  const ops::Resize plain;
  CHECK(shape_of(plain, x, nullptr, &two, nullptr) == Shape{kDynamic, 3, kDynamic, 7});
  CHECK(shape_of(plain, x, nullptr, nullptr, &sizes) == Shape{1, 3, 5, 5});
  CHECK(shape_of(plain, x, nullptr, nullptr, &later) == Shape{kDynamic, kDynamic, kDynamic, kDynamic});
  ops::Resize of_two, keeping, smooth, crop;
  of_two.axes = {-2, -1};
  const ValueType pair{DType::i64, {2}};
  CHECK(shape_of(of_two, x, nullptr, nullptr, &pair) == Shape{kDynamic, 3, kDynamic, kDynamic});
  CHECK_THROWS_WITH_AS(shape_of(plain, x, nullptr, &two, &sizes),
                       "resize: needs either scales or sizes, got both", Error);
  CHECK_THROWS_WITH_AS(shape_of(plain, x, nullptr, nullptr, nullptr),
                       "resize: needs either scales or sizes, got none", Error);
  CHECK_THROWS_WITH_AS(shape_of(plain, x, nullptr, &three, nullptr), "resize: needs 4 scales, got (3,)",
                       Error);
  CHECK_THROWS_WITH_AS(shape_of(plain, x, nullptr, &zero, nullptr),
                       "resize: a scale must be above 0 and below 1e6, got 0", Error);
  of_two.axes = {2, -2};
  CHECK_THROWS_WITH_AS(shape_of(of_two, x, nullptr, nullptr, &pair), "resize: axis -2 is given twice", Error);
  keeping.policy = not_larger;
  CHECK_THROWS_WITH_AS(shape_of(keeping, x, nullptr, &two, nullptr),
                       "resize: keeping the aspect ratio needs sizes, got scales", Error);
  smooth.mode = linear;
  CHECK_THROWS_WITH_AS(shape_of(smooth, whole, nullptr, &two, nullptr),
                       "resize: needs an input of floating point, got i64", Error);
  crop.coordinates = tf_crop_and_resize;
  CHECK_THROWS_WITH_AS(shape_of(crop, x, nullptr, &two, nullptr),
                       "resize: tf_crop_and_resize needs a region of interest, roi", Error);
  CHECK_THROWS_WITH_AS(shape_of(crop, x, &two, &two, nullptr), "resize: needs 8 numbers of roi, got (4,)",
                       Error);
  smooth.mode = ops::ResizeMode::nearest;
  smooth.antialias = true;
  CHECK_THROWS_WITH_AS(shape_of(smooth, x, nullptr, &two, nullptr),
                       "resize: antialias is for linear and cubic, got nearest", Error);
  CHECK_THROWS_WITH_AS(shape_of(plain, {DType::f32, {1, 0, 4, 4}}, nullptr, nullptr, &sizes),
                       "resize: there is nothing to take from in (1, 0, 4, 4)", Error);
}

}  // namespace pleat::test
