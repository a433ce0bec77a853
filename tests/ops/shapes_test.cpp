// Shapes that elementwise ops and pools give while the batch is not known yet, and the shapes they refuse.

#include <doctest/doctest.h>

#include "ops/op.hpp"

namespace pleat::test {
namespace {

Shape shape_of(const ops::Attributes& attributes, const std::vector<Shape>& inputs) {
  std::vector<ValueType> types;
  for (const Shape& shape : inputs) types.push_back({DType::f32, shape});
  InputTypes in;
  for (const ValueType& type : types) in.push_back(&type);
  return definition(attributes).infer(attributes, in)[0].shape;
}

constexpr int64_t kN = kDynamic;

}  // namespace

TEST_CASE("add: shapes") {
  CHECK(shape_of(ops::Add{}, {{kN, 3}, {kN, 3}}) == Shape{kN, 3});
  CHECK(shape_of(ops::Add{}, {{kN, 3}, {5, 3}}) == Shape{5, 3});
  CHECK_THROWS_WITH_AS(shape_of(ops::Add{}, {{kN, 3, 8, 8}, {kN, 3, 4, 4}}),
                       "add: needs two inputs of one shape, got (N, 3, 8, 8) and (N, 3, 4, 4)", Error);
  CHECK_THROWS_AS(shape_of(ops::Add{}, {{2, 3}, {2, 3, 1}}), Error);
}

TEST_CASE("concat: shapes") {
  CHECK(shape_of(ops::Concat{1}, {{kN, 3, 4}, {kN, 5, 4}}) == Shape{kN, 8, 4});
  CHECK(shape_of(ops::Concat{-1}, {{2, 3}, {2, 5}, {2, 1}}) == Shape{2, 9});
  CHECK(shape_of(ops::Concat{0}, {{kN, 3}, {2, 3}}) == Shape{kN, 3});
  CHECK_THROWS_WITH_AS(shape_of(ops::Concat{1}, {{2, 3, 4}, {2, 3, 5}}),
                       "concat: needs inputs of one shape but along dim 1, got (2, 3, 4) and (2, 3, 5)",
                       Error);
  CHECK_THROWS_WITH_AS(shape_of(ops::Concat{2}, {{2, 3}}), "concat: dim 2 is outside of (2, 3)", Error);
  CHECK_THROWS_AS(shape_of(ops::Concat{1}, {}), Error);
}

TEST_CASE("slice: shapes") {
  CHECK(shape_of(ops::Slice{1, 2, 5}, {{kN, 8}}) == Shape{kN, 3});
  CHECK_THROWS_WITH_AS(shape_of(ops::Slice{1, 2, 9}, {{kN, 8}}),
                       "slice: [2, 9) is outside of dim 1 of (N, 8)", Error);
  CHECK_THROWS_AS(shape_of(ops::Slice{1, 3, 2}, {{kN, 8}}), Error);
  CHECK_THROWS_AS(shape_of(ops::Slice{2, 0, 1}, {{kN, 8}}), Error);
}

TEST_CASE("pools: shapes") {
  const ops::Window resnet{{3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}};
  CHECK(shape_of(ops::MaxPool{resnet}, {{kN, 64, 112, 112}}) == Shape{kN, 64, 56, 56});
  CHECK(shape_of(ops::AvgPool{resnet}, {{kN, 64, kN, 57}}) == Shape{kN, 64, kN, 29});
  CHECK(shape_of(ops::MaxPool{{{1, 2}, {1, 2}}}, {{kN, 4, 9}}) == Shape{kN, 4, 4});
  // As PyTorch: a last window may end outside, but not begin in the padding at the end.
  const ops::Window quarter{{2, 2}, {4, 4}, {1, 1}, {1, 1}, {1, 1}}, half{{3, 3}, {2, 2}};
  CHECK(shape_of(ops::MaxPool{half, true}, {{kN, 4, 8, 9}}) == Shape{kN, 4, 4, 4});
  CHECK(shape_of(ops::MaxPool{quarter, true}, {{kN, 4, 7, 8}}) == Shape{kN, 4, 2, 3});
  CHECK(shape_of(ops::MaxPool{quarter, false}, {{kN, 4, 7, 8}}) == Shape{kN, 4, 2, 3});
  CHECK(shape_of(ops::AvgPool{quarter, true, true}, {{kN, 4, 6, 5}}) == Shape{kN, 4, 2, 2});
  ops::Window same{{3, 3}, {2, 2}};
  same.auto_pad = ops::AutoPad::same_upper;
  CHECK(shape_of(ops::MaxPool{same}, {{kN, 4, 7, kN}}) == Shape{kN, 4, 4, kN});
  CHECK(shape_of(ops::GlobalAvgPool{}, {{kN, 64, kN, 7}}) == Shape{kN, 64});
  CHECK(shape_of(ops::GlobalAvgPool{true}, {{kN, 64, kN, 7}}) == Shape{kN, 64, 1, 1});
}

TEST_CASE("pools: errors") {
  const Shape x = {kN, 3, 5, 5};
  CHECK_THROWS_WITH_AS(shape_of(ops::MaxPool{{{7, 7}}}, {x}),
                       "max_pool: kernel 7x7 dilation 1x1 is larger than the padded input 5x5", Error);
  CHECK_THROWS_WITH_AS(
      shape_of(ops::AvgPool{{{3, 3}, {1, 1}, {1, 1}, {3, 3}, {3, 3}}}, {x}),
      "avg_pool: pad should be smaller than the kernel, got pad 3 for kernel 3x3 dilation 1x1", Error);
  CHECK_THROWS_WITH_AS(shape_of(ops::MaxPool{{{2, 2}, {0, 1}}}, {x}),
                       "max_pool: kernel, stride and dilation must be at least 1, got 2x2, 0x1 and 1x1",
                       Error);
  CHECK_THROWS_WITH_AS(shape_of(ops::MaxPool{{{2, 2}}}, {{kN, 10}}),
                       "max_pool: needs an input (N, C, H, W) or (N, C, L), got (N, 10)", Error);
  CHECK_THROWS_AS(shape_of(ops::MaxPool{{{2, 2}}}, {{kN, 3, 8}}), Error);
  CHECK_THROWS_WITH_AS(shape_of(ops::GlobalAvgPool{}, {{kN, 10}}),
                       "global_avg_pool: needs an input (N, C, ...) with spatial dimensions, got (N, 10)",
                       Error);
}

TEST_CASE("an activation's gradient needs what its derivative is computed from") {
  const ValueType type{DType::f32, {4}};
  const ops::Attributes relu = ops::ActivateGradient{Activation::relu},
                        silu = ops::ActivateGradient{Activation::silu};
  CHECK_NOTHROW(definition(relu).infer(relu, {nullptr, &type, &type}));
  CHECK_NOTHROW(definition(silu).infer(silu, {&type, nullptr, &type}));
  CHECK_THROWS_AS(definition(relu).infer(relu, {&type, nullptr, &type}), Error);
  CHECK_THROWS_AS(definition(silu).infer(silu, {nullptr, &type, &type}), Error);
}

}  // namespace pleat::test
