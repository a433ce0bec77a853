// Values of Unary, its gradient and Cast at the places where they can go wrong, and what they refuse.

#include <doctest/doctest.h>

#include <limits>

#include "support/infer.hpp"
#include "support/run_op.hpp"

namespace pleat::test {
namespace {

using Kind = ops::UnaryKind;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();

template <class U>
std::vector<U> values_of(const ops::Unary& op, const std::vector<U>& values) {
  Tensor x = Tensor::from<U>({static_cast<int64_t>(values.size())}, values);
  const Tensor y = run_op<float>(op, {&x})[0];
  return std::vector<U>(y.data<U>(), y.data<U>() + y.numel());
}
float value_of(const ops::Unary& op, float x) {
  return values_of(op, std::vector<float>{x})[0];
}
float slope(const ops::UnaryGradient& op, float x) {
  Tensor at = Tensor::from<float>({1}, {x}), dy = Tensor::from<float>({1}, {1});
  return *std::as_const(run_op<float>(op, {&at, &dy})[0]).data<float>();
}
template <class To, class From>
std::vector<To> cast(const std::vector<From>& values) {
  Tensor x({static_cast<int64_t>(values.size())}, dtype_of<From>());
  std::copy(values.begin(), values.end(), x.data<From>());
  const Tensor y = run_op<float>(ops::Cast{dtype_of<To>()}, {&x})[0];
  return std::vector<To>(y.data<To>(), y.data<To>() + y.numel());
}

TEST_CASE("unary: values computed by hand") {
  using Floats = std::vector<float>;
  CHECK(values_of({Kind::round}, Floats{0.5, 1.5, 2.5, -0.5, -1.5, 2.4f}) == Floats{0, 2, 2, 0, -2, 2});
  CHECK(std::signbit(value_of({Kind::round}, -0.5f)));
  CHECK(values_of({Kind::sign}, Floats{-3, 0, 5, kInf}) == Floats{-1, 0, 1, 1});
  CHECK(values_of({Kind::abs}, Floats{-3, 0, 5, -kInf}) == Floats{3, 0, 5, kInf});
  CHECK(values_of({Kind::reciprocal}, Floats{-0.0f, 4, kInf}) == Floats{-kInf, 0.25, 0});
  CHECK(values_of({Kind::clip, -1, 2}, Floats{-kInf, -1, 0.5, 2, 3}) == Floats{-1, -1, 0.5, 2, 2});
  CHECK(value_of({Kind::clip, 3, 1}, 2.0f) == 1);  // as NumPy: the upper bound comes last
  CHECK(values_of({Kind::hard_sigmoid, 0.5, 0.6}, Floats{-2, 0, 2}) == Floats{0, 0.6f, 1});
  CHECK(values_of({Kind::thresholded_relu, 2}, Floats{-1, 2, 2.5}) == Floats{0, 0, 2.5});
  CHECK(values_of({Kind::softsign}, Floats{-1, 0, 1}) == Floats{-0.5, 0, 0.5});
  // From ONNX's own examples: elu and selu of -1, 0, 1 (alpha 2; alpha 2, gamma 3).
  CHECK(value_of({Kind::elu, 2}, -1.0f) == doctest::Approx(-1.2642411));
  CHECK(value_of({Kind::selu, 2, 3}, -1.0f) == doctest::Approx(-3.79272318));
  CHECK(value_of({Kind::selu, 2, 3}, 1.0f) == 3);
  CHECK(value_of({Kind::softplus}, 1.0f) == doctest::Approx(1.31326163));
  // PyTorch's.
  CHECK(value_of({Kind::celu, 2}, -1.0f) == doctest::Approx(-0.78693867));
  CHECK(value_of({Kind::mish}, 1.0f) == doctest::Approx(0.86509841));
  CHECK(value_of({Kind::gelu}, 1.0f) == doctest::Approx(0.84134475));
  CHECK(value_of({Kind::gelu}, -1.0f) == doctest::Approx(-0.15865526));
  CHECK(value_of({Kind::gelu_tanh}, 1.0f) == doctest::Approx(0.84119199));
  CHECK(value_of({Kind::swish, 1}, 1.0f) == doctest::Approx(0.73105858));
  CHECK(value_of({Kind::erf}, 0.5f) == doctest::Approx(0.52049988));
}

TEST_CASE("unary: nothing overflows on the way to a finite result") {
  CHECK(value_of({Kind::softplus}, 200.0f) == 200);
  CHECK(value_of({Kind::softplus}, -200.0f) == doctest::Approx(0).epsilon(1e-30));
  CHECK(value_of({Kind::softplus}, -20.0f) == doctest::Approx(2.0611537e-9).scale(0));
  CHECK(value_of({Kind::mish}, 200.0f) == 200);
  CHECK(value_of({Kind::mish}, -200.0f) == 0);
  CHECK(value_of({Kind::swish, 1}, -200.0f) == 0);
  CHECK(value_of({Kind::gelu}, -40.0f) == 0);
  CHECK(value_of({Kind::elu, 1}, 200.0f) == 200);
  CHECK(value_of({Kind::selu, 1.6, 1}, 200.0f) == 200);
  CHECK(value_of({Kind::celu, 1}, 200.0f) == 200);
}

TEST_CASE("unary: NaN in, NaN out") {
  for (int kind = 0; kind <= static_cast<int>(Kind::thresholded_relu); ++kind) {
    const Kind k = static_cast<Kind>(kind);
    if (k == Kind::logical_not || k == Kind::is_nan || k == Kind::is_inf) continue;
    CAPTURE(kind);
    CHECK(std::isnan(value_of({k, 1, 2}, kNan)));
  }
}

TEST_CASE("unary: tests of numbers, and booleans") {
  Tensor x = Tensor::from<float>({5}, {1, kNan, kInf, -kInf, 0});
  const Tensor nan = run_op<float>(ops::Unary{Kind::is_nan}, {&x})[0];
  Tensor inf = run_op<float>(ops::Unary{Kind::is_inf}, {&x})[0];
  const Tensor finite = run_op<float>(ops::Unary{Kind::logical_not}, {&inf})[0];
  const bool is_nan[] = {false, true, false, false, false}, is_finite[] = {true, true, false, false, true};
  CHECK(std::ranges::equal(nan.span<bool>(), is_nan));
  CHECK(std::ranges::equal(finite.span<bool>(), is_finite));
}

TEST_CASE("unary: whole numbers") {
  using Ints = std::vector<int64_t>;
  constexpr int64_t least = std::numeric_limits<int64_t>::min();
  CHECK(values_of({Kind::neg}, Ints{5, -7, least}) == Ints{-5, 7, least});
  CHECK(values_of({Kind::abs}, Ints{5, -7, least}) == Ints{5, 7, least});
  CHECK(values_of({Kind::sign}, Ints{5, -7, 0}) == Ints{1, -1, 0});
  CHECK(values_of({Kind::clip, -1e300, 3}, Ints{5, -7, least}) == Ints{3, -7, least});
  CHECK(values_of({Kind::clip, 0, 6}, std::vector<int32_t>{7, -7, 4}) == std::vector<int32_t>{6, 0, 4});
}

TEST_CASE("unary: slopes at kinks are PyTorch's") {
  CHECK(slope({Kind::abs}, 0) == 0);
  CHECK(slope({Kind::clip, -1, 2}, -1) == 1);
  CHECK(slope({Kind::clip, -1, 2}, 2) == 1);
  CHECK(slope({Kind::hard_sigmoid, 0.25, 0.5}, 2) == 0);
  CHECK(slope({Kind::thresholded_relu, 1}, 1) == 0);
  CHECK(slope({Kind::sqrt}, 0) == kInf);
}

TEST_CASE("unary: types") {
  CHECK(inferred(ops::Unary{Kind::is_nan}, {{DType::f32, {kDynamic, 3}}}) ==
        ValueType{DType::boolean, {kDynamic, 3}});
  CHECK_THROWS_WITH_AS(inferred(ops::Unary{Kind::exp}, {{DType::i64, {3}}}), "exp: cannot be of i64", Error);
  CHECK_THROWS_WITH_AS(inferred(ops::Unary{Kind::logical_not}, {{DType::f32, {3}}}), "not: cannot be of f32",
                       Error);
  CHECK_THROWS_WITH_AS(inferred(ops::Unary{Kind::thresholded_relu}, {{DType::boolean, {3}}}),
                       "thresholded_relu: cannot be of bool", Error);
}

TEST_CASE("cast: floats to whole numbers truncate, and stay in range") {
  constexpr int64_t low = std::numeric_limits<int64_t>::min(), high = std::numeric_limits<int64_t>::max();
  CHECK(cast<int64_t>(
            std::vector<float>{2.9f, -2.9f, -0.5f, kNan, kInf, -kInf, 1e30f, -9223372036854775808.0f}) ==
        std::vector<int64_t>{2, -2, 0, 0, high, low, high, low});
  CHECK(cast<int32_t>(std::vector<float>{2147483648.0f, -2147483648.0f, 2147483520.0f, 3e9f, -3e9f}) ==
        std::vector<int32_t>{2147483647, -2147483647 - 1, 2147483520, 2147483647, -2147483647 - 1});
}

TEST_CASE("cast: every other way") {
  CHECK(cast<float>(std::vector<int64_t>{-3, 1LL << 40}) == std::vector<float>{-3, 1099511627776.0f});
  CHECK(cast<int32_t>(std::vector<int64_t>{-3, (1LL << 32) + 5}) == std::vector<int32_t>{-3, 5});
  CHECK(cast<bool>(std::vector<float>{0, -0.0f, 0.25, kNan}) == std::vector<bool>{false, false, true, true});
  CHECK(cast<bool>(std::vector<int64_t>{0, 1LL << 32, -1}) == std::vector<bool>{false, true, true});
  CHECK(cast<float>(std::vector<bool>{true, false}) == std::vector<float>{1, 0});
  CHECK(cast<int64_t>(std::vector<bool>{true, false}) == std::vector<int64_t>{1, 0});
  CHECK(cast<float>(std::vector<float>{1.5}) == std::vector<float>{1.5});
}

TEST_CASE("cast: a network has floats of one type") {
  CHECK_THROWS_WITH_AS(inferred(ops::Cast{DType::f64}, {{DType::f32, {2}}}),
                       "cast: to f64 in a network that computes in f32", Error);
  CHECK(inferred(ops::Cast{DType::f32}, {{DType::f64, {2}}}) == ValueType{DType::f64, {2}});
  CHECK(inferred(ops::Cast{DType::f64}, {{DType::i64, {2}}}) == ValueType{DType::f64, {2}});
}

}  // namespace
}  // namespace pleat::test
