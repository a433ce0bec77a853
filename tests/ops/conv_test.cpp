#include <doctest/doctest.h>

#include <numeric>

#include "pleat/error.hpp"
#include "support/random_tensor.hpp"
#include "support/run_op.hpp"

namespace pleat::test {
namespace {

using Values = std::vector<float>;

Values values_of(const Tensor& tensor) {
  return {tensor.span<float>().begin(), tensor.span<float>().end()};
}

// 0, 1, ... under a 3x3 kernel of ones, as ONNX's examples have it.
Values run_onnx(const ops::Window& window, const Shape& shape) {
  Tensor x(shape), weight = Tensor::from<float>({1, 1, 3, 3}, Values(9, 1));
  std::iota(x.span<float>().begin(), x.span<float>().end(), 0.0f);
  return values_of(run_op<float>(ops::Conv{window, 1, {}}, {&x, &weight})[0]);
}

}  // namespace

TEST_CASE("conv: ONNX's examples") {
  CHECK(run_onnx({.kernel = {3, 3}, .stride = {2, 2}, .auto_pad = ops::AutoPad::same_lower}, {1, 1, 5, 5}) ==
        Values{12, 27, 24, 63, 108, 81, 72, 117, 84});
  CHECK(run_onnx({.kernel = {3, 3}, .stride = {2, 2}, .pad_begin = {1, 0}, .pad_end = {1, 0}},
                 {1, 1, 7, 5}) == Values{21, 33, 99, 117, 189, 207, 171, 183});
}

TEST_CASE("conv: an odd padding that follows from the size is at the end or at the beginning") {
  const auto run = [](ops::AutoPad pad) {
    Tensor x = Tensor::from<float>({1, 1, 4}, {1, 2, 3, 4}), weight = Tensor::from<float>({1, 1, 2}, {10, 1});
    return values_of(run_op<float>(ops::Conv{{.kernel = {1, 2}, .auto_pad = pad}, 1, {}}, {&x, &weight})[0]);
  };
  CHECK(run(ops::AutoPad::same_upper) == Values{12, 23, 34, 40});
  CHECK(run(ops::AutoPad::same_lower) == Values{1, 12, 23, 34});
}

TEST_CASE("convolutions of no images, and of nothing but padding") {
  const ops::Window window{{3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}};
  Tensor none({0, 4, 5, 6}), dy({0, 2, 5, 6}), weight = random_tensor({2, 4, 3, 3}, 1);
  CHECK(run_op<float>(ops::Conv{window, 1, {}}, {&none, &weight})[0].shape() == dy.shape());
  CHECK(run_op<float>(ops::ConvInputGradient{window, 1}, {&weight, &dy, &none})[0].shape() == none.shape());
  CHECK(run_op<float>(ops::ConvTranspose{window}, {&dy, &weight})[0].shape() == none.shape());
  for (float x : values_of(run_op<float>(ops::ConvWeightGradient{window, 1}, {&none, &dy, &weight})[0])) {
    CHECK(x == 0);
  }

  const ops::Window padded{{3, 3}, {1, 1}, {1, 1}, {2, 1}, {2, 1}};
  Tensor flat({1, 4, 0, 6}), bias = Tensor::from<float>({2}, {5, -1});
  const Tensor y = run_op<float>(ops::Conv{padded, 1, {}}, {&flat, &weight, &bias})[0];
  REQUIRE(y.shape() == Shape{1, 2, 2, 6});
  for (int64_t i = 0; i < y.numel(); ++i) CHECK(y.data<float>()[i] == (i < 12 ? 5 : -1));
}

TEST_CASE("conv: a weight without elements is refused") {
  const ValueType x{DType::f32, {1, 0, 5, 5}}, weight{DType::f32, {2, 0, 3, 3}};
  const ops::Conv conv{{{3, 3}}, 1, {}};
  CHECK_THROWS_WITH_AS(definition(conv).infer(conv, {&x, &weight}),
                       "conv: needs a weight with elements, got (2, 0, 3, 3)", Error);
}

}  // namespace pleat::test
