// Values of the normalizations, ArgReduce and Einsum: by hand, by definition, and at their edges.

#include <doctest/doctest.h>

#include <limits>

#include "base/random.hpp"
#include "support/every_isa.hpp"
#include "support/infer.hpp"
#include "support/run_op.hpp"

namespace pleat::test {
namespace {

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr int64_t kN = kDynamic;

using Floats = std::vector<float>;
using Ints = std::vector<int64_t>;

Floats floats(const Tensor& x) {
  return {x.data<float>(), x.data<float>() + x.numel()};
}
Tensor counted(const Shape& shape) {
  Tensor x(shape);
  for (int64_t i = 0; i < x.numel(); ++i) x.data<float>()[i] = static_cast<float>(i);
  return x;
}

TEST_CASE("softmax: along another dimension it is that of the transposed, to the bit") {
  Random random(seed());
  Tensor x = Tensor::from<float>({3, 37}, uniform<float>(random, 3 * 37)), across({37, 3});
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t j = 0; j < 37; ++j)
      across.data<float>()[j * 3 + i] = std::as_const(x).data<float>()[i * 37 + j];
  }
  const Tensor rows = run_op<float>(ops::Softmax{false, 1}, {&x})[0];
  const Tensor columns = run_op<float>(ops::Softmax{false, 0}, {&across})[0];
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t j = 0; j < 37; ++j)
      CHECK(columns.data<float>()[j * 3 + i] == rows.data<float>()[i * 37 + j]);
  }
  CHECK_THROWS_WITH_AS(inferred(ops::Softmax{false, 2}, {{DType::f32, {kN, 3}}}),
                       "softmax: dim 2 is outside of (N, 3)", Error);
}

TEST_CASE("layer_norm: by hand, and exact where the mean is large") {
  Tensor x = Tensor::from<float>({2, 3}, {1, 2, 3, -2, 0, 2}), weight = Tensor::from<float>({3}, {1, 2, 3}),
         bias = Tensor::from<float>({3}, {0, 10, 0});
  const Floats y = floats(run_op<float>(ops::LayerNorm{1, 0}, {&x, &weight, &bias})[0]);
  const double expected[] = {-1.22474487, 10, 3.67423461, -1.22474487, 10, 3.67423461};
  for (size_t i = 0; i < 6; ++i) CHECK(y[i] == doctest::Approx(expected[i]).epsilon(1e-6));

  // Steps of 1/1024 around 16: the mean is 2e4 deviations, and every input is exact.
  Tensor far({1, 1001});
  double square = 0;
  for (int64_t i = 0; i < 1001; ++i) {
    const double d = static_cast<double>(i % 3 - 1) / 1024;
    far.data<float>()[i] = static_cast<float>(16 + d);
    square += d * d;
  }
  const Floats z = floats(run_op<float>(ops::LayerNorm{1, 0}, {&far})[0]);
  double mean = 0;
  for (int64_t i = 0; i < 1001; ++i) mean += static_cast<double>(i % 3 - 1) / 1024 / 1001;
  const double deviation = std::sqrt(square / 1001 - mean * mean);
  for (size_t i = 0; i < 3; ++i) {
    const double d = (static_cast<double>(i) - 1) / 1024 - mean;
    CHECK(z[i] == doctest::Approx(d / deviation).epsilon(1e-5));
  }
}

TEST_CASE("layer_norm: what it refuses") {
  const auto infer = [](const ops::LayerNorm& op, Shape x, Shape weight) {
    return inferred(op, {{DType::f32, x}, {DType::f32, weight}}).shape;
  };
  CHECK(infer({-1}, {kN, 4, 8}, {8}) == Shape{kN, 4, 8});
  CHECK_THROWS_WITH_AS(infer({1}, {kN, 4, 8}, {8}), "layer_norm: needs a weight (4, 8), got (8,)", Error);
  CHECK_THROWS_WITH_AS(infer({3}, {kN, 4, 8}, {8}), "layer_norm: dim 3 is outside of (N, 4, 8)", Error);
}

TEST_CASE("local_response_norm: an even window has its longer half behind") {
  Tensor x = Tensor::from<float>({1, 3, 1}, {1, 2, 3});
  // size 2: the channel and the next. s = 1 + (1 + 4) / 2, 1 + (4 + 9) / 2, 1 + 9 / 2.
  const Floats y = floats(run_op<float>(ops::LocalResponseNorm{2, 1, 1, 1}, {&x})[0]);
  CHECK(y[0] == doctest::Approx(1 / 3.5));
  CHECK(y[1] == doctest::Approx(2 / 7.5));
  CHECK(y[2] == doctest::Approx(3 / 5.5));
  // size 3, beta 0.75: s = 1 + 5 / 3, 1 + 14 / 3, 1 + 13 / 3.
  const Floats z = floats(run_op<float>(ops::LocalResponseNorm{3, 1, 0.75, 1}, {&x})[0]);
  CHECK(z[0] == doctest::Approx(std::pow(1 + 5.0 / 3, -0.75)));
  CHECK(z[1] == doctest::Approx(2 * std::pow(1 + 14.0 / 3, -0.75)));
  CHECK(z[2] == doctest::Approx(3 * std::pow(1 + 13.0 / 3, -0.75)));
  CHECK_THROWS_WITH_AS(inferred(ops::LocalResponseNorm{}, {{DType::f32, {3}}}),
                       "local_response_norm: needs an input (N, C, ...), got (3,)", Error);
}

TEST_CASE("arg_reduce: first or last, any dimension, NaN above all") {
  const auto find = [](const ops::ArgReduce& op, Shape shape, const Floats& values) {
    Tensor x = Tensor::from<float>(shape, values);
    const Tensor y = run_op<float>(op, {&x})[0];
    return Ints(y.data<int64_t>(), y.data<int64_t>() + y.numel());
  };
  const Floats values = {2, 1, 2, 3, 10, 10};
  CHECK(find({false, 1}, {3, 2}, values) == Ints{0, 1, 0});
  CHECK(find({false, 1, true, true}, {3, 2}, values) == Ints{0, 1, 1});
  CHECK(find({false, -2}, {3, 2}, values) == Ints{2, 2});
  CHECK(find({true, 0}, {3, 2}, values) == Ints{0, 0});
  CHECK(find({true, 0, true, true}, {3, 2}, values) == Ints{1, 0});
  CHECK(find({false, 0}, {4}, {1, kNan, 9, kNan}) == Ints{1});
  CHECK(find({false, 0, true, true}, {4}, {1, kNan, 9, kNan}) == Ints{3});
  CHECK(find({true, 0}, {3}, {1, kNan, -9}) == Ints{1});
  Tensor wide = counted({2, 3, 150});
  const Tensor y = run_op<float>(ops::ArgReduce{false, 1, false}, {&wide})[0];
  CHECK(y.shape() == Shape{2, 150});
  CHECK(std::ranges::count(y.span<int64_t>(), 2) == 300);
  CHECK(inferred(ops::ArgReduce{false, -1}, {{DType::i32, {kN, 5}}}) == ValueType{DType::i64, {kN, 1}});
  CHECK_THROWS_WITH_AS(inferred(ops::ArgReduce{false, 1}, {{DType::f32, {2, 0}}}),
                       "arg_reduce: dim 1 of (2, 0) has no elements", Error);
}

Tensor einsum(const char* equation, Tensor a) {
  return run_op<float>(ops::Einsum{equation}, {&a})[0];
}
Tensor einsum(const char* equation, Tensor a, Tensor b) {
  return run_op<float>(ops::Einsum{equation}, {&a, &b})[0];
}

TEST_CASE("einsum: letters, repeated letters, dots") {
  const Tensor m = counted({2, 3});
  CHECK(floats(einsum("ij->ji", m)) == Floats{0, 3, 1, 4, 2, 5});
  CHECK(floats(einsum("ba", m)) == Floats{0, 3, 1, 4, 2, 5});  // the output in the alphabet's order
  CHECK(floats(einsum("ij->i", m)) == Floats{3, 12});
  CHECK(floats(einsum("ij->", m)) == Floats{15});
  CHECK(floats(einsum("ii->i", counted({3, 3}))) == Floats{0, 4, 8});
  CHECK(floats(einsum("ii", counted({3, 3}))) == Floats{12});
  CHECK(floats(einsum("...ii -> ...i", counted({2, 2, 2}))) == Floats{0, 3, 4, 7});
  CHECK(floats(einsum("ij,jk", m, counted({3, 2}))) == Floats{10, 13, 28, 40});
  CHECK(floats(einsum("i,i", counted({3}), counted({3}))) == Floats{5});
  CHECK(floats(einsum("i,j->ij", counted({2}), counted({3}))) == Floats{0, 0, 0, 0, 1, 2});
  const Tensor y = einsum("...ij,...jk->...ik", counted({2, 1, 2}), counted({2, 2}));
  CHECK(y.shape() == Shape{2, 1, 2});
  CHECK(floats(y) == Floats{2, 3, 6, 11});
}

TEST_CASE("einsum: shapes and errors") {
  const auto shape = [](const char* equation, Shape a, Shape b) {
    return inferred(ops::Einsum{equation}, {{DType::f32, a}, {DType::f32, b}}).shape;
  };
  CHECK(shape("bij,bjk->bik", {kN, 3, 4}, {kN, 4, 5}) == Shape{kN, 3, 5});
  CHECK(shape("...i,...i", {4, 1, 2}, {3, 2}) == Shape{4, 3});
  CHECK_THROWS_WITH_AS(shape("ij,jk", {2, 3}, {4, 5}), "einsum: \"ij,jk\" gives one index the sizes 3 and 4",
                       Error);
  CHECK_THROWS_WITH_AS(shape("ij,jk", {2, 3, 4}, {4, 5}),
                       "einsum: \"ij\" does not have the rank of its input (2, 3, 4)", Error);
  CHECK_THROWS_WITH_AS(shape("ij", {2, 3}, {4, 5}),
                       "einsum: \"ij\" does not have as many terms as there are inputs: 2", Error);
  CHECK_THROWS_WITH_AS(shape("ij,jk->iz", {2, 3}, {3, 5}),
                       "einsum: \"ij,jk->iz\" has an index in the output that is in no input, or twice",
                       Error);
  CHECK_THROWS_WITH_AS(shape("i1,jk", {2, 3}, {3, 5}),
                       "einsum: \"i1,jk\" has 1: needs letters, commas, \"...\" and \"->\"", Error);
}

}  // namespace
}  // namespace pleat::test
