// Transposed convolutions against ONNX's published examples and a plain scatter.

#include <doctest/doctest.h>

#include "support/every_isa.hpp"
#include "support/random_tensor.hpp"
#include "support/run_op.hpp"

namespace pleat::test {
namespace {

using Values = std::vector<float>;

Values run(const ops::ConvTranspose& op, Tensor x, Tensor weight, const Shape& y) {
  const Tensor result = run_op<float>(op, {&x, &weight})[0];
  CHECK(result.shape() == y);
  return {result.span<float>().begin(), result.span<float>().end()};
}

Tensor tensor(const Shape& shape, const Values& values) {
  return Tensor::from<float>(shape, values);
}

// 0, 1, ... 8 under a 3x3 kernel of ones, as ONNX's examples have it, with one channel of two.
Values run_onnx(ops::ConvTranspose op, const Shape& y) {
  op.window.kernel = {3, 3};
  return run(op, tensor({1, 1, 3, 3}, {0, 1, 2, 3, 4, 5, 6, 7, 8}), tensor({1, 1, 3, 3}, Values(9, 1)), y);
}

// y by its definition.
Tensor scatter(const ops::Window& w, int64_t groups, const Tensor& x, const Tensor& weight, const Shape& y) {
  Tensor result(y, DType::f64);
  const int64_t in = weight.shape()[0] / groups, out = weight.shape()[1];
  const auto at = [](const Shape& s, int64_t n, int64_t c, int64_t i, int64_t j) {
    return ((n * s[1] + c) * s[2] + i) * s[3] + j;
  };
  for (int64_t n = 0; n < y[0]; ++n) {
    for (int64_t c = 0; c < weight.shape()[0]; ++c) {
      for (int64_t o = 0; o < out; ++o) {
        for (int64_t i = 0; i < x.shape()[2]; ++i) {
          for (int64_t j = 0; j < x.shape()[3]; ++j) {
            for (int64_t r = 0; r < w.kernel[0]; ++r) {
              for (int64_t q = 0; q < w.kernel[1]; ++q) {
                const int64_t row = i * w.stride[0] - w.pad_begin[0] + r * w.dilation[0];
                const int64_t column = j * w.stride[1] - w.pad_begin[1] + q * w.dilation[1];
                if (row < 0 || row >= y[2] || column < 0 || column >= y[3]) continue;
                result.data<double>()[at(y, n, c / in * out + o, row, column)] +=
                    static_cast<double>(x.data<float>()[at(x.shape(), n, c, i, j)]) *
                    static_cast<double>(weight.data<float>()[at(weight.shape(), c, o, r, q)]);
              }
            }
          }
        }
      }
    }
  }
  return result;
}

}  // namespace

TEST_CASE("conv_transpose: ONNX's examples") {
  CHECK(run_onnx({}, {1, 1, 5, 5}) ==
        Values{0, 1, 3, 3, 2, 3, 8, 15, 12, 7, 9, 21, 36, 27, 15, 9, 20, 33, 24, 13, 6, 13, 21, 15, 8});
  CHECK(run_onnx({.window = {.stride = {3, 2}, .pad_begin = {1, 2}, .pad_end = {1, 2}}}, {1, 1, 7, 3}) ==
        Values{1, 1, 3, 1, 1, 3, 7, 4, 9, 7, 4, 9, 7, 4, 9, 13, 7, 15, 13, 7, 15});
  CHECK(run_onnx({.window = {.stride = {2, 2}, .auto_pad = ops::AutoPad::same_upper}}, {1, 1, 6, 6}) ==
        Values{0, 0, 1, 1, 3, 2, 0, 0, 1,  1,  3,  2,  3, 3, 8,  5, 12, 7,
               3, 3, 7, 4, 9, 5, 9, 9, 20, 11, 24, 13, 6, 6, 13, 7, 15, 8});
  CHECK(run({.window = {.kernel = {2, 2}, .dilation = {2, 2}}},
            tensor({1, 1, 3, 3}, {3, 8, 1, 9, 5, 7, 3, 2, 6}), tensor({1, 1, 2, 2}, {7, 2, 1, 9}),
            {1, 1, 5, 5}) == Values{21, 56, 13, 16, 2,  63, 35, 67, 10, 14, 24, 22, 76,
                                    76, 21, 9,  5,  88, 45, 63, 3,  2,  33, 18, 54});
  CHECK(run({.window = {.kernel = {1, 3}}}, tensor({1, 1, 3}, {0, 1, 2}), tensor({1, 2, 3}, Values(6, 1)),
            {1, 2, 5}) == Values{0, 1, 3, 3, 2, 0, 1, 3, 3, 2});
}

TEST_CASE("conv_transpose: ONNX's examples of a size that is asked for, by padding or by output_size") {
  const Values expected = run_onnx({.window = {.stride = {3, 2}}, .output_padding = {1, 1}}, {1, 1, 10, 8});
  CHECK(Values(expected.begin(), expected.begin() + 16) ==
        Values{0, 0, 1, 1, 3, 2, 2, 0, 0, 0, 1, 1, 3, 2, 2, 0});
  CHECK(run_onnx({.window = {.stride = {3, 2}}, .output_size = {10, 8}}, {1, 1, 10, 8}) == expected);
  CHECK(run_onnx({.window = {.stride = {3, 2}}, .output_padding = {1, 1}, .output_size = {10, 8}},
                 {1, 1, 10, 8}) == expected);
}

TEST_CASE("conv_transpose: an odd padding is larger at the beginning, but for same_upper") {
  // Whole: 0 1 3 3 2; of size 4 one is cut.
  const auto cut = [](ops::AutoPad pad) {
    return run({.window = {.kernel = {1, 3}, .auto_pad = pad}, .output_size = {0, 4}},
               tensor({1, 1, 3}, {0, 1, 2}), tensor({1, 1, 3}, Values(3, 1)), {1, 1, 4});
  };
  CHECK(cut(ops::AutoPad::none) == Values{1, 3, 3, 2});
  CHECK(cut(ops::AutoPad::same_lower) == Values{1, 3, 3, 2});
  CHECK(cut(ops::AutoPad::same_upper) == Values{0, 1, 3, 3});
}

TEST_CASE("conv_transpose: is the scatter of its definition") {
  struct Geometry {
    ops::Window window;
    int64_t groups = 1;
    std::array<int64_t, 2> output_padding = {0, 0};
  };
  const std::vector<Geometry> geometries = {
      {{{3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}, 1, {1, 1}},
      {{{2, 2}, {2, 2}}},
      {{{4, 4}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}, 2},
      {{{3, 2}, {1, 3}, {2, 1}, {0, 1}, {3, 0}}, 2, {0, 2}},
      {{{1, 1}}},
      {{{1, 1}}, 1, {2, 3}},
      {{{1, 1}, {3, 2}}},
      {{{3, 3}, {2, 3}, {3, 2}, {4, 2}, {1, 2}}, 1, {2, 0}},
      {{{5, 3}, {1, 1}, {1, 1}, {2, 1}, {2, 1}}, 4},
  };
  for (const Geometry& g : geometries) {
    const int64_t out = g.groups == 4 ? 1 : 3;
    Tensor x = random_tensor({2, 4, 5, 7}, seed()),
           weight = random_tensor({4, out, g.window.kernel[0], g.window.kernel[1]}, seed() + 1);
    Tensor y = run_op<float>(ops::ConvTranspose{g.window, g.groups, g.output_padding}, {&x, &weight})[0];
    const ops::Window& w = g.window;
    for (int d = 0; d < 2; ++d) {
      const auto i = static_cast<size_t>(d);
      CHECK(y.shape()[2 + d] == (x.shape()[2 + d] - 1) * w.stride[i] - w.pad_begin[i] - w.pad_end[i] +
                                    (w.kernel[i] - 1) * w.dilation[i] + 1 + g.output_padding[i]);
    }
    const Tensor expected = scatter(w, g.groups, x, weight, y.shape());
    CHECK(max_error(y.to(DType::f64).span<double>(), expected.span<double>()) < 1e-5);
  }
}

TEST_CASE("conv_transpose: shapes and errors") {
  const auto shape_of = [](const ops::ConvTranspose& op, const Shape& x, const Shape& weight) {
    const ValueType types[] = {{DType::f32, x}, {DType::f32, weight}};
    return definition(op).infer(op, {&types[0], &types[1]})[0].shape;
  };
  const ops::ConvTranspose doubling{{{3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}, 2, {1, 1}};
  CHECK(shape_of(doubling, {kDynamic, 4, 8, kDynamic}, {4, 3, 3, 3}) == Shape{kDynamic, 6, 16, kDynamic});
  CHECK(shape_of({{{3, 3}}, 1, {}, {9, 7}}, {2, 4, kDynamic, 5}, {4, 3, 3, 3}) == Shape{2, 3, 9, 7});
  CHECK_THROWS_WITH_AS(shape_of(doubling, {1, 3, 8, 8}, {4, 3, 3, 3}),
                       "conv_transpose: needs an input of 4 channels (N, 4, H, W), got (1, 3, 8, 8)", Error);
  CHECK_THROWS_WITH_AS(shape_of({{{3, 3}}, 3}, {1, 4, 8, 8}, {4, 3, 3, 3}),
                       "conv_transpose: groups 3 must divide the 4 input channels", Error);
  CHECK_THROWS_WITH_AS(shape_of({{{1, 1}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}}, {1, 4, 2, 2}, {4, 3, 1, 1}),
                       "conv_transpose: the padding leaves nothing of the output for (1, 4, 2, 2)", Error);
}

}  // namespace pleat::test
