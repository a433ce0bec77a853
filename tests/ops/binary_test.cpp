// Values of Binary, its gradient and Where at the places where they can go wrong, what they give while a
// batch is not known yet, and what they refuse.

#include <doctest/doctest.h>

#include <limits>

#include "graph/edit.hpp"
#include "passes/to_double.hpp"
#include "plan/plan.hpp"
#include "support/infer.hpp"
#include "support/run_op.hpp"

namespace pleat::test {
namespace {

using Kind = ops::BinaryKind;

constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr int64_t kLeast = std::numeric_limits<int64_t>::min();

template <class U>
Tensor list(const std::vector<U>& values) {
  Tensor x({static_cast<int64_t>(values.size())}, dtype_of<U>());
  std::copy(values.begin(), values.end(), x.data<U>());
  return x;
}
template <class Y, class A, class B>
std::vector<Y> apply(Kind kind, const std::vector<A>& a, const std::vector<B>& b) {
  Tensor left = list(a), right = list(b);
  const Tensor y = run_op<float>(ops::Binary{kind}, {&left, &right})[0];
  return std::vector<Y>(y.data<Y>(), y.data<Y>() + y.numel());
}
using Floats = std::vector<float>;
using Ints = std::vector<int64_t>;
using Bools = std::vector<bool>;

Shape shape_of(const Shape& a, const Shape& b) {
  return inferred(ops::Binary{Kind::mul}, {{DType::f32, a}, {DType::f32, b}}).shape;
}

constexpr int64_t kN = kDynamic;

TEST_CASE("binary: floats") {
  CHECK(apply<float>(Kind::sub, Floats{1, 2}, Floats{5}) == Floats{-4, -3});
  CHECK(apply<float>(Kind::div, Floats{1, -1}, Floats{0}) == Floats{kInf, -kInf});
  CHECK(apply<float>(Kind::pow, Floats{-2, -2, 0, 4}, Floats{3, 2, 0, 0.5}) == Floats{-8, 4, 1, 2});
  CHECK(apply<float>(Kind::prelu, Floats{-2, 3, 0}, Floats{0.5}) == Floats{-1, 3, 0});
  const Floats least = apply<float>(Kind::min, Floats{kNan, 1, 2, -kInf}, Floats{1, kNan, 3, 0});
  CHECK(std::isnan(least[0]));
  CHECK(std::isnan(least[1]));
  CHECK(least[2] == 2);
  CHECK(least[3] == -kInf);
  const Floats most = apply<float>(Kind::max, Floats{kNan, 1, 2, -kInf}, Floats{1, kNan, 3, 0});
  CHECK(std::isnan(most[0]));
  CHECK(std::isnan(most[1]));
  CHECK(most[2] == 3);
  CHECK(most[3] == 0);
}

TEST_CASE("binary: remainders are ONNX's, of the divisor's sign or with fmod of the dividend's") {
  const Ints a = {-4, 7, 5, 4, -7, 8}, b = {2, -3, 8, -2, 3, 5};  // its test mod_mixed_sign
  CHECK(apply<int64_t>(Kind::mod, a, b) == Ints{0, -2, 5, 0, 2, 3});
  CHECK(apply<int64_t>(Kind::fmod, Ints{-4, 7, 5, 4, -7, 8}, Ints{2, -3, 8, -2, 3, 5}) ==
        Ints{0, 1, 5, 0, -1, 3});
  const Floats remainder = apply<float>(Kind::fmod, Floats{-4.3f, 7.2f, 5.0f, 4.3f, -7.2f, 8.0f},
                                        Floats{2.1f, -3.4f, 8, -2.1f, 3.4f, 5});
  const float expected[] = {-0.1f, 0.4f, 5, 0.1f, -0.4f, 3};
  for (size_t i = 0; i < 6; ++i) CHECK(remainder[i] == doctest::Approx(expected[i]));
  CHECK(apply<float>(Kind::mod, Floats{-1, 1}, Floats{3, -3}) == Floats{2, -2});
}

TEST_CASE("binary: whole numbers wrap, and division by zero gives 0") {
  CHECK(apply<int64_t>(Kind::div, Ints{7, -7, 5, kLeast, kLeast}, Ints{2, 2, 0, -1, 0}) ==
        Ints{3, -3, 0, kLeast, 0});
  CHECK(apply<int64_t>(Kind::mod, Ints{7, kLeast, -7}, Ints{0, -1, 0}) == Ints{0, 0, 0});
  CHECK(apply<int64_t>(Kind::fmod, Ints{7, kLeast}, Ints{0, -1}) == Ints{0, 0});
  CHECK(apply<int64_t>(Kind::add, Ints{kLeast}, Ints{-1}) == Ints{std::numeric_limits<int64_t>::max()});
  CHECK(apply<int64_t>(Kind::mul, Ints{kLeast}, Ints{-1}) == Ints{kLeast});
  CHECK(apply<int32_t>(Kind::mul, std::vector<int32_t>{1 << 20}, std::vector<int32_t>{1 << 12}) ==
        std::vector<int32_t>{0});
  CHECK(apply<int64_t>(Kind::pow, Ints{3, -2, 2, -1, 1, 0}, Ints{4, 3, -1, -3, -5, -1}) ==
        Ints{81, -8, 0, -1, 1, 0});
}

TEST_CASE("binary: pow takes a power of another type") {
  CHECK(apply<int64_t>(Kind::pow, Ints{1, 2, 3}, Floats{4, 5, 6}) == Ints{1, 32, 729});  // ONNX's pow_types
  CHECK(apply<float>(Kind::pow, Floats{1, 2, 3}, Ints{4, 5, 6}) == Floats{1, 32, 729});
  CHECK(apply<int32_t>(Kind::pow, std::vector<int32_t>{10}, Floats{30}) == std::vector<int32_t>{2147483647});
}

TEST_CASE("binary: comparisons and logic") {
  CHECK(apply<bool>(Kind::equal, Floats{1, kNan, -0.0f}, Floats{1, kNan, 0}) == Bools{true, false, true});
  CHECK(apply<bool>(Kind::equal, Bools{true, false}, Bools{false}) == Bools{false, true});
  CHECK(apply<bool>(Kind::less, Ints{1, 2, 3}, Ints{2}) == Bools{true, false, false});
  CHECK(apply<bool>(Kind::less_equal, Ints{1, 2, 3}, Ints{2}) == Bools{true, true, false});
  CHECK(apply<bool>(Kind::greater, Ints{1, 2, 3}, Ints{2}) == Bools{false, false, true});
  CHECK(apply<bool>(Kind::greater_equal, Ints{1, 2, 3}, Ints{2}) == Bools{false, true, true});
  CHECK(apply<bool>(Kind::less, Floats{kNan}, Floats{1}) == Bools{false});
  CHECK(apply<bool>(Kind::greater_equal, Floats{kNan}, Floats{1}) == Bools{false});
  const Bools a = {false, false, true, true}, b = {false, true, false, true};
  CHECK(apply<bool>(Kind::logical_and, a, b) == Bools{false, false, false, true});
  CHECK(apply<bool>(Kind::logical_or, a, b) == Bools{false, true, true, true});
  CHECK(apply<bool>(Kind::logical_xor, a, b) == Bools{false, true, true, false});
}

TEST_CASE("binary: every way to broadcast is that of plain indices") {
  struct Shapes {
    Shape a, b, y;
  };
  for (const Shapes& shapes :
       {Shapes{{2, 3, 4}, {3, 1}, {2, 3, 4}}, Shapes{{4, 1, 2}, {3, 1}, {4, 3, 2}},
        Shapes{{}, {2, 2}, {2, 2}}, Shapes{{1, 1}, {}, {1, 1}}, Shapes{{0, 3}, {1}, {0, 3}},
        Shapes{{2, 1, 3, 1, 2}, {5, 1, 4, 1}, {2, 5, 3, 4, 2}}}) {
    Tensor a(shapes.a, DType::i64), b(shapes.b, DType::i64);
    for (int64_t i = 0; i < a.numel(); ++i) a.data<int64_t>()[i] = i;
    for (int64_t i = 0; i < b.numel(); ++i) b.data<int64_t>()[i] = 1000 * i;
    const Tensor y = run_op<float>(ops::Binary{Kind::add}, {&a, &b})[0];
    REQUIRE(y.shape() == shapes.y);
    const int rank = shapes.y.rank();
    for (int64_t at = 0; at < y.numel(); ++at) {
      int64_t rest = at, expected = 0, a_stride = 1, b_stride = 1;
      for (int i = rank - 1; i >= 0; --i) {
        const int64_t index = rest % shapes.y[i];
        rest /= shapes.y[i];
        const auto go = [&](const Shape& from, int64_t& stride, int64_t scale) {
          const int d = i - (rank - from.rank());
          if (d < 0) return;
          if (from[d] > 1) expected += index * stride * scale;
          stride *= from[d];
        };
        go(shapes.a, a_stride, 1);
        go(shapes.b, b_stride, 1000);
      }
      CHECK(y.data<int64_t>()[at] == expected);
    }
  }
}

TEST_CASE("binary: shapes while sizes are not known") {
  CHECK(shape_of({kN, 3}, {3}) == Shape{kN, 3});
  CHECK(shape_of({kN, 3}, {kN, 1}) == Shape{kN, 3});
  CHECK(shape_of({kN, 3}, {5, 3}) == Shape{5, 3});
  CHECK(shape_of({1, 3}, {kN, 3}) == Shape{kN, 3});
  CHECK(shape_of({}, {kN}) == Shape{kN});
  CHECK_THROWS_WITH_AS(shape_of({kN, 3, 8}, {4, 8}),
                       "mul: cannot broadcast (N, 3, 8) and (4, 8): 3 and 4 differ and neither is 1", Error);
  CHECK_THROWS_WITH_AS(shape_of({1, 1, 1, 1, 1, 1, 1, 1, 2}, {2}),
                       "mul: goes up to rank 8, got (1, 1, 1, 1, 1, 1, 1, 1, 2)", Error);
}

TEST_CASE("binary: types") {
  const auto type = [](Kind kind, DType a, DType b) {
    return inferred(ops::Binary{kind}, {{a, {}}, {b, {}}}).dtype;
  };
  CHECK(type(Kind::less, DType::i64, DType::i64) == DType::boolean);
  CHECK(type(Kind::pow, DType::i32, DType::f32) == DType::i32);
  CHECK_THROWS_WITH_AS(type(Kind::add, DType::f32, DType::i64),
                       "add: needs two inputs of one type, got f32 and i64", Error);
  CHECK_THROWS_WITH_AS(type(Kind::add, DType::boolean, DType::boolean), "add: needs numbers, got bool",
                       Error);
  CHECK_THROWS_WITH_AS(type(Kind::logical_or, DType::f32, DType::f32), "or: needs booleans, got f32", Error);
  CHECK_THROWS_WITH_AS(type(Kind::pow, DType::f32, DType::boolean), "pow: needs numbers, got bool", Error);
}

TEST_CASE("binary: gradients at the edges are PyTorch's") {
  const auto by = [](Kind kind, int operand, float a, float b) {
    Tensor left = list(Floats{a}), right = list(Floats{b}), dy = list(Floats{1});
    return *std::as_const(run_op<float>(ops::BinaryGradient{kind, operand}, {&left, &right, &dy})[0])
                .data<float>();
  };
  CHECK(by(Kind::pow, 0, 0, 2) == 0);
  CHECK(by(Kind::pow, 0, 0, 0) == 0);
  CHECK(by(Kind::pow, 0, 0, 1) == 1);
  CHECK(by(Kind::pow, 1, 0, 2) == 0);
  CHECK(by(Kind::pow, 0, -3, 2) == -6);
  CHECK(by(Kind::max, 0, 2, 2) == 0.5f);
  CHECK(by(Kind::min, 1, 2, 2) == 0.5f);
  CHECK(by(Kind::prelu, 0, 0, 0.25f) == 1);
}

TEST_CASE("where: any type, broadcast") {
  Tensor condition({2, 1}, DType::boolean);
  condition.data<bool>()[0] = true;
  Tensor a = list(Ints{1, 2, 3}), b = list(Ints{-1});
  const Tensor y = run_op<float>(ops::Where{}, {&condition, &a, &b})[0];
  CHECK(y.shape() == Shape{2, 3});
  CHECK(std::ranges::equal(y.span<int64_t>(), Ints{1, 2, 3, -1, -1, -1}));
  CHECK_THROWS_WITH_AS(inferred(ops::Where{}, {{DType::f32, {2}}, {DType::f32, {2}}, {DType::f32, {2}}}),
                       "where: needs a condition of booleans, got f32", Error);
  CHECK_THROWS_WITH_AS(inferred(ops::Where{}, {{DType::boolean, {2}}, {DType::f32, {2}}, {DType::i64, {2}}}),
                       "where: needs two inputs of one type, got f32 and i64", Error);
}

// sizes (N, 3, 8) -> (N * 2, 3 / 2 ...) as exporters write them: ShapeOf, arithmetic in floats, Reshape.
TEST_CASE("shape arithmetic is known, element by element") {
  GraphData graph;
  const ValueId x = add_input(graph, "x", {DType::f32, {kDynamic, 6, 8}});
  const ValueId sizes = add_node(graph, "sizes", ops::ShapeOf{}, {x})[0];
  const ValueId factors = add_constant(graph, "factors", Tensor::from<float>({3}, {1, 0.5f, 2}));
  const ValueId real = add_node(graph, "real", ops::Cast{DType::f32}, {sizes})[0];
  const ValueId product = add_node(graph, "product", ops::Binary{Kind::mul}, {real, factors})[0];
  const ValueId floor = add_node(graph, "floor", ops::Unary{ops::UnaryKind::floor}, {product})[0];
  const ValueId wanted = add_node(graph, "wanted", ops::Cast{DType::i64}, {floor})[0];
  const ValueId y = add_node(graph, "y", ops::Reshape{}, {x, wanted})[0];
  CHECK(graph.value(y).type.shape == Shape{kDynamic, 3, 16});
  graph.outputs = {y};
  graph.output_names = {"y"};
  const Shape shapes[] = {{5, 6, 8}};
  const Plan plan = make_plan(graph, shapes);
  CHECK(plan.buffers[static_cast<size_t>(y)].type.shape == Shape{5, 3, 16});
  CHECK(plan.steps.empty());
  const GraphData wide = to_double(graph);
  CHECK(wide.value(product).type.dtype == DType::f64);
  CHECK(make_plan(wide, shapes).buffers[static_cast<size_t>(y)].type == ValueType{DType::f64, {5, 3, 16}});
}

TEST_CASE("a plan refuses floats of two types") {
  GraphData graph;
  const ValueId x = add_input(graph, "x", {DType::f32, {2}});
  const ValueId n = add_input(graph, "n", {DType::i64, {2}});
  graph.outputs = {add_node(graph, "exp", ops::Unary{ops::UnaryKind::exp}, {x})[0],
                   add_node(graph, "wide", ops::Cast{DType::f64}, {n})[0]};
  graph.output_names = {"a", "b"};
  const Shape shapes[] = {{2}, {2}};
  CHECK_THROWS_WITH_AS(make_plan(graph, shapes),
                       "a network computes in f32 or in f64: exp gives f32 and wide f64", Error);
}

// A boolean result has as many bytes as an operand of other size: it must not stand in its place.
TEST_CASE("a comparison does not overwrite what it still reads") {
  GraphData graph;
  const ValueId x = add_input(graph, "x", {DType::f32, {1, 2}}),
                limit = add_input(graph, "limit", {DType::f32, {4, 2}});
  const ValueId a = add_node(graph, "a", ops::Unary{ops::UnaryKind::neg}, {x})[0];
  graph.outputs = {add_node(graph, "not", ops::Unary{ops::UnaryKind::logical_not},
                            {add_node(graph, "less", ops::Binary{Kind::less}, {a, limit})[0]})[0]};
  graph.output_names = {"y"};
  const Shape shapes[] = {{1, 2}, {4, 2}};
  const Plan plan = make_plan(graph, shapes);
  for (const Buffer& buffer : plan.buffers) {
    if (buffer.alias_of >= 0)
      CHECK(plan.buffers[static_cast<size_t>(buffer.alias_of)].type.dtype == buffer.type.dtype);
  }
}

}  // namespace
}  // namespace pleat::test
