// Values of Reduce and SumTo at the places where they can go wrong, shapes while axes or sizes are not known,
// and what is refused.

#include <doctest/doctest.h>

#include <limits>

#include "support/infer.hpp"
#include "support/run_op.hpp"

namespace pleat::test {
namespace {

using Kind = ops::ReduceKind;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr int64_t kN = kDynamic;

template <class U = float>
std::vector<U> reduce(const ops::Reduce& op, Tensor x, const std::vector<int64_t>& axes) {
  Tensor list = Tensor::from<int64_t>({static_cast<int64_t>(axes.size())}, axes);
  const Tensor y = run_op<float>(op, {&x, &list})[0];
  return std::vector<U>(y.data<U>(), y.data<U>() + y.numel());
}
float reduce(Kind kind, const std::vector<float>& values) {
  return reduce({kind}, Tensor::from<float>({static_cast<int64_t>(values.size())}, values), {0})[0];
}

Shape shape_of(const ops::Reduce& op, const Shape& x, const ValueType& axes) {
  return inferred(op, {{DType::f32, x}, axes}).shape;
}
ValueType known_axes_of(const std::vector<int64_t>& axes) {
  const Shape shape = {static_cast<int64_t>(axes.size())};
  return {DType::i64, shape, known_value(Tensor::from<int64_t>(shape, axes))};
}

// ONNX's tests reduce_*: over dimension 1 of (3, 2, 2).
TEST_CASE("reduce: ONNX's examples") {
  using Floats = std::vector<float>;
  const Tensor pairs = Tensor::from<float>({3, 2, 2}, {5, 1, 20, 2, 30, 1, 40, 2, 55, 1, 60, 2});
  CHECK(reduce({Kind::mean, false}, pairs, {1}) == Floats{12.5, 1.5, 35, 1.5, 57.5, 1.5});
  CHECK(reduce({Kind::max, false}, pairs, {1}) == Floats{20, 2, 40, 2, 60, 2});
  CHECK(reduce({Kind::min, false}, pairs, {-2}) == Floats{5, 1, 30, 1, 55, 1});
  const Tensor counted = Tensor::from<float>({3, 2, 2}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  CHECK(reduce({Kind::sum}, counted, {1}) == Floats{4, 6, 12, 14, 20, 22});
  CHECK(reduce({Kind::prod}, counted, {1}) == Floats{3, 8, 35, 48, 99, 120});
  CHECK(reduce({Kind::sum_square}, counted, {1}) == Floats{10, 20, 74, 100, 202, 244});
  CHECK(reduce({Kind::l1}, counted, {2}) == Floats{3, 7, 11, 15, 19, 23});
  CHECK(reduce({Kind::l2}, counted, {2})[5] == doctest::Approx(16.2788206));
  CHECK(reduce({Kind::sum}, counted, {0, 1, 2}) == Floats{78});
  CHECK(reduce({Kind::sum, true, true}, counted, {}).size() == 12);
  CHECK(reduce({Kind::log_sum_exp}, pairs, {1})[0] == doctest::Approx(20.00000031));
  CHECK(reduce({Kind::log_sum_exp}, pairs, {1})[1] == doctest::Approx(2.31326169));
}

TEST_CASE("reduce: NaN and infinities") {
  CHECK(std::isnan(reduce(Kind::max, {1, kNan, 3})));
  CHECK(std::isnan(reduce(Kind::min, {1, 2, kNan})));
  CHECK(std::isnan(reduce(Kind::log_sum_exp, {1, kNan, 3})));
  CHECK(reduce(Kind::max, {-kInf, -kInf}) == -kInf);
  CHECK(reduce(Kind::log_sum_exp, {-kInf, -kInf}) == -kInf);
  CHECK(reduce(Kind::log_sum_exp, {-kInf, 2}) == 2);
  CHECK(reduce(Kind::log_sum_exp, {1, kInf, kInf}) == kInf);
  CHECK(reduce(Kind::log_sum_exp, {1000, 1000}) == doctest::Approx(1000.6931));
  CHECK(reduce(Kind::log_sum_exp, {-1000, -1000}) == doctest::Approx(-999.3069));
}

TEST_CASE("reduce: sums of floats lose nothing on the way") {
  std::vector<float> values(100001, 0.1f);
  values[0] = 1e7f;
  const double expected = 1e7 + 100000 * static_cast<double>(0.1f);
  CHECK(reduce(Kind::sum, values) == static_cast<float>(expected));
  CHECK(reduce({Kind::sum}, Tensor::from<float>({100001, 1}, values), {0})[0] ==
        static_cast<float>(expected));
  CHECK(reduce(Kind::sum, {1e8f, 1, -1e8f}) == 1);
}

TEST_CASE("reduce: whole numbers, booleans") {
  using Ints = std::vector<int64_t>;
  const Tensor x = Tensor::from<int64_t>({2, 3}, {1, -2, 4, 7, 8, -10});
  CHECK(reduce<int64_t>({Kind::sum}, x, {1}) == Ints{3, 5});
  CHECK(reduce<int64_t>({Kind::mean}, x, {1}) == Ints{1, 1});
  CHECK(reduce<int64_t>({Kind::prod}, x, {0}) == Ints{7, -16, -40});
  CHECK(reduce<int64_t>({Kind::max}, x, {1}) == Ints{4, 8});
  CHECK(reduce<int64_t>({Kind::min}, x, {0, 1}) == Ints{-10});
  CHECK(reduce<int64_t>({Kind::l1}, x, {1}) == Ints{7, 25});
  CHECK(reduce<int64_t>({Kind::sum_square}, x, {1}) == Ints{21, 213});
  CHECK(reduce<int32_t>({Kind::sum}, x.to(DType::i32), {1}) == std::vector<int32_t>{3, 5});
  CHECK(reduce<bool>({Kind::max}, Tensor::from<int64_t>({2, 2}, {0, 1, 0, 0}).to(DType::boolean), {1}) ==
        std::vector<bool>{true, false});
}

TEST_CASE("reduce: of no elements") {
  const Tensor none = Tensor({2, 0});
  CHECK(reduce({Kind::sum}, none, {1}) == std::vector<float>{0, 0});
  CHECK(reduce({Kind::prod}, none, {1}) == std::vector<float>{1, 1});
  CHECK(std::isnan(reduce({Kind::mean}, none, {1})[0]));
  CHECK(reduce({Kind::log_sum}, none, {1})[0] == -kInf);
  CHECK(reduce({Kind::max}, none, {0}).empty());
  CHECK_THROWS_WITH_AS(reduce({Kind::max}, none, {1}), "reduce max: of no elements, in (2, 0)", Error);
}

TEST_CASE("reduce: shapes") {
  CHECK(shape_of({Kind::mean}, {kN, 3, kN, 5}, known_axes_of({2, -1})) == Shape{kN, 3, 1, 1});
  CHECK(shape_of({Kind::mean, false}, {kN, 3, kN, 5}, known_axes_of({2, -1})) == Shape{kN, 3});
  CHECK(shape_of({Kind::mean, false}, {kN, 3}, known_axes_of({})) == Shape{});
  CHECK(shape_of({Kind::mean, false, true}, {kN, 3}, known_axes_of({})) == Shape{kN, 3});
  // Axes that are not known yet.
  CHECK(shape_of({Kind::mean}, {2, 3, 4}, {DType::i64, {2}}) == Shape{kN, kN, kN});
  CHECK(shape_of({Kind::mean, false}, {2, 3, 4}, {DType::i64, {2}}) == Shape{kN});
  CHECK_THROWS_WITH_AS(shape_of({Kind::mean, false}, {2, 3, 4}, {DType::i64, {kN}}),
                       "reduce mean: needs a known number of axes, up to the input's rank 3, got axes (N,)",
                       Error);
}

TEST_CASE("reduce: errors") {
  CHECK_THROWS_WITH_AS(shape_of({Kind::sum}, {2, 3}, known_axes_of({2})),
                       "reduce sum: axis 2 is outside of rank 2", Error);
  CHECK_THROWS_WITH_AS(shape_of({Kind::sum}, {2, 3}, known_axes_of({1, -1})),
                       "reduce sum: an axis is given twice", Error);
  CHECK_THROWS_WITH_AS(inferred(ops::Reduce{Kind::l2}, {{DType::i64, {2}}}), "reduce l2: cannot be of i64",
                       Error);
  CHECK_THROWS_WITH_AS(inferred(ops::Reduce{Kind::sum}, {{DType::boolean, {2}}}),
                       "reduce sum: cannot be of bool", Error);
}

TEST_CASE("reduce: several maxima share the gradient, and a product with zeros has one") {
  const auto gradient = [](Kind kind, const std::vector<float>& values, float y) {
    Tensor x = Tensor::from<float>({static_cast<int64_t>(values.size())}, values);
    Tensor result = Tensor::from<float>({1}, {y}), dy = Tensor::from<float>({1}, {6});
    const Tensor dx = run_op<float>(ops::ReduceGradient{kind}, {&x, &result, &dy, nullptr})[0];
    return std::vector<float>(dx.data<float>(), dx.data<float>() + dx.numel());
  };
  using Floats = std::vector<float>;
  CHECK(gradient(Kind::max, {1, 3, 3, 2}, 3) == Floats{0, 3, 3, 0});
  CHECK(gradient(Kind::min, {1, 1, 1, 2}, 1) == Floats{2, 2, 2, 0});
  CHECK(gradient(Kind::prod, {2, 0, 5}, 0) == Floats{0, 60, 0});
  CHECK(gradient(Kind::prod, {0, 0, 5}, 0) == Floats{0, 0, 0});
  CHECK(gradient(Kind::prod, {2, 4}, 8) == Floats{24, 12});
  CHECK(gradient(Kind::l2, {0, 0}, 0) == Floats{0, 0});
  CHECK(gradient(Kind::l1, {-1, 0, 2}, 3) == Floats{-6, 0, 6});
}

TEST_CASE("sum_to sums what was repeated") {
  Tensor x = Tensor::from<float>({2, 2, 3}, {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  const auto to = [&](Shape like) {
    Tensor shape(like);
    const Tensor y = run_op<float>(ops::SumTo{}, {&x, &shape})[0];
    CHECK(y.shape() == like);
    return std::vector<float>(y.data<float>(), y.data<float>() + y.numel());
  };
  using Floats = std::vector<float>;
  CHECK(to({2, 1}) == Floats{30, 48});
  CHECK(to({3}) == Floats{22, 26, 30});
  CHECK(to({2, 1, 1}) == Floats{21, 57});
  CHECK(to({}) == Floats{78});
  CHECK(to({2, 2, 3}) == Floats{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12});
  CHECK_THROWS_WITH_AS(inferred(ops::SumTo{}, {{DType::f32, {2, 3}}, {DType::f32, {4, 2, 3}}}),
                       "sum_to: (4, 2, 3) cannot have been broadcast to (2, 3)", Error);
}

}  // namespace
}  // namespace pleat::test
