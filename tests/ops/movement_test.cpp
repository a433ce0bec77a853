// Values and shapes of the ops that move elements, by hand and from ONNX's published tests.

#include <doctest/doctest.h>

#include <numeric>

#include "support/run_op.hpp"

namespace pleat::test {
namespace {

template <class T>
Tensor iota(Shape shape, int first = 0) {
  Tensor tensor(std::move(shape), dtype_of<T>());
  for (int64_t i = 0; i < tensor.numel(); ++i) tensor.data<T>()[i] = static_cast<T>(first + i);
  return tensor;
}

Tensor list(const std::vector<int64_t>& values) {
  return Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values);
}

template <class T>
std::vector<T> values(const Tensor& tensor) {
  return std::vector<T>(tensor.data<T>(), tensor.data<T>() + tensor.numel());
}

Tensor one(const ops::Attributes& attributes, const std::vector<Tensor*>& inputs) {
  return run_op<float>(attributes, inputs)[0];
}

// The shape that an op gives for inputs of those types.
Shape shape_of(const ops::Attributes& attributes, const std::vector<ValueType>& types) {
  InputTypes in;
  for (const ValueType& type : types) in.push_back(&type);
  return definition(attributes).infer(attributes, in)[0].shape;
}

ValueType known(const std::vector<int64_t>& values) {
  return {DType::i64, {static_cast<int64_t>(values.size())}, known_value(list(values))};
}
ValueType unknown(int64_t count) {
  return {DType::i64, {count}};
}

constexpr int64_t kMax = std::numeric_limits<int64_t>::max(), kMin = std::numeric_limits<int64_t>::min();
constexpr int64_t kN = kDynamic;

}  // namespace

TEST_CASE_TEMPLATE("transpose: every element is where its index says", T, float, int32_t, int64_t, bool) {
  // Sizes about a block of one cache line, for each size of element.
  for (const Shape& shape : {Shape{2, 3, 4}, Shape{5, 17, 33}, Shape{1, 65, 64}, Shape{3, 1, 130}}) {
    Tensor x = iota<T>(shape);
    for (std::vector<int64_t> order :
         {std::vector<int64_t>{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}) {
      const Tensor y = one(ops::Transpose{order}, {&x});
      std::array<int64_t, 3> i{};
      bool same = true;
      for (i[0] = 0; i[0] < shape[0]; ++i[0]) {
        for (i[1] = 0; i[1] < shape[1]; ++i[1]) {
          for (i[2] = 0; i[2] < shape[2]; ++i[2]) {
            const auto at = [&](int d) { return i[static_cast<size_t>(order[static_cast<size_t>(d)])]; };
            const int64_t place = (at(0) * y.shape()[1] + at(1)) * y.shape()[2] + at(2);
            same = same && y.data<T>()[place] ==
                               std::as_const(x).data<T>()[(i[0] * shape[1] + i[1]) * shape[2] + i[2]];
          }
        }
      }
      CHECK(same);
    }
  }
}

TEST_CASE("transpose: shapes and errors") {
  const ValueType x{DType::f32, {kN, 3, 4}};
  CHECK(shape_of(ops::Transpose{{1, 2, 0}}, {x}) == Shape{3, 4, kN});
  CHECK(shape_of(ops::Transpose{}, {x}) == Shape{4, 3, kN});
  CHECK_THROWS_WITH_AS(shape_of(ops::Transpose{{0, 1, 1}}, {x}),
                       "transpose: order (0, 1, 1) does not name each dimension of (N, 3, 4) once", Error);
  CHECK_THROWS_AS(shape_of(ops::Transpose{{0, 1}}, {x}), Error);
  CHECK_THROWS_WITH_AS(shape_of(ops::Transpose{}, {{DType::f32, Shape(std::vector<int64_t>(9, 1))}}),
                       "transpose: takes tensors of rank 8 at most, got (1, 1, 1, 1, 1, 1, 1, 1, 1)", Error);
}

TEST_CASE("strided_slice: as x[start:end:step]") {
  Tensor x = iota<int32_t>({10});
  const auto sliced = [&](int64_t start, int64_t end, int64_t step) {
    Tensor starts = list({start}), ends = list({end}), steps = list({step});
    return values<int32_t>(one(ops::StridedSlice{}, {&x, &starts, &ends, nullptr, &steps}));
  };
  using Values = std::vector<int32_t>;
  CHECK(sliced(2, 5, 1) == Values{2, 3, 4});
  CHECK(sliced(-3, kMax, 1) == Values{7, 8, 9});
  CHECK(sliced(1, -1, 3) == Values{1, 4, 7});
  CHECK(sliced(-100, 2, 1) == Values{0, 1});
  CHECK(sliced(kMin, kMax, 4) == Values{0, 4, 8});
  CHECK(sliced(0, kMax, kMax) == Values{0});
  CHECK(sliced(-1, kMin, -4) == Values{9, 5, 1});
  CHECK(sliced(kMax, -kMax, -3) == Values{9, 6, 3, 0});
  CHECK(sliced(3, 0, -1) == Values{3, 2, 1});
  CHECK(sliced(3, kMin, kMin) == Values{3});
  CHECK(sliced(5, 5, 1).empty());
  CHECK(sliced(5, 7, -1).empty());
  CHECK(sliced(20, 30, 1).empty());
}

TEST_CASE("strided_slice: shapes and errors") {
  const ValueType x{DType::f32, {kN, 20, 10}};
  const auto shape = [&](const std::vector<ValueType>& bounds) {
    std::vector<ValueType> types = {x};
    types.insert(types.end(), bounds.begin(), bounds.end());
    return shape_of(ops::StridedSlice{}, types);
  };
  CHECK(shape({known({1}), known({-1}), known({-1})}) == Shape{kN, 20, 8});
  CHECK(shape({known({1}), known({2}), known({0})}) == Shape{kN, 20, 10});
  CHECK(shape({unknown(1), known({2}), known({2})}) == Shape{kN, 20, kN});
  CHECK(shape({known({1}), known({2}), unknown(1)}) == Shape{kN, kN, kN});
  CHECK(shape({unknown(kN), unknown(kN)}) == Shape{kN, kN, kN});
  CHECK_THROWS_WITH_AS(shape({known({1, 2}), known({1})}),
                       "strided_slice: needs as many ends, axes and steps as starts, got 1 and 2", Error);
  CHECK_THROWS_WITH_AS(shape({known({1}), known({2}), known({0}), known({0})}),
                       "strided_slice: a step must not be 0", Error);
  CHECK_THROWS_WITH_AS(shape({known({1}), known({2}), known({3})}),
                       "strided_slice: axis 3 is outside of rank 3", Error);
  CHECK_THROWS_WITH_AS(shape({known({0, 0}), known({1, 1}), known({0, -3})}),
                       "strided_slice: an axis is given twice", Error);
  CHECK_THROWS_AS(shape({known({0, 0, 0, 0}), known({1, 1, 1, 1})}), Error);
}

TEST_CASE("gather: values") {
  Tensor x = Tensor::from<float>({3, 2}, {1.0f, 1.2f, 2.3f, 3.4f, 4.5f, 5.7f});
  Tensor rows = Tensor::from<int64_t>({2, 2}, {0, 1, 1, 2});
  const Tensor y = one(ops::Gather{0}, {&x, &rows});
  CHECK(y.shape() == Shape{2, 2, 2});
  CHECK(values<float>(y) == std::vector<float>{1.0f, 1.2f, 2.3f, 3.4f, 2.3f, 3.4f, 4.5f, 5.7f});
  Tensor columns = Tensor::from<int32_t>({1}, {-1});
  CHECK(values<float>(one(ops::Gather{1}, {&x, &columns})) == std::vector<float>{1.2f, 3.4f, 5.7f});
  Tensor whole = iota<int64_t>({4}, 10), scalar = Tensor::from<int64_t>({}, {2});
  const Tensor picked = one(ops::Gather{0}, {&whole, &scalar});
  CHECK(picked.shape() == Shape{});
  CHECK(picked.data<int64_t>()[0] == 12);
}

TEST_CASE("gather: an index outside is an Error when known, else reads nothing") {
  CHECK_THROWS_WITH_AS(shape_of(ops::Gather{1}, {{DType::f32, {kN, 3}}, known({0, 3})}),
                       "gather: index 3 is outside of dim 1 of (N, 3)", Error);
  CHECK_THROWS_AS(shape_of(ops::Gather{1}, {{DType::f32, {kN, 3}}, known({-4})}), Error);
  CHECK_THROWS_WITH_AS(shape_of(ops::Gather{2}, {{DType::f32, {kN, 3}}, known({0})}),
                       "gather: dim 2 is outside of (N, 3)", Error);
  CHECK_THROWS_WITH_AS(shape_of(ops::Gather{0}, {{DType::f32, {kN, 3}}, {DType::f32, {1}}}),
                       "gather: needs indices of i64 or i32, got f32", Error);
  CHECK(shape_of(ops::Gather{1}, {{DType::f32, {kN, 3}}, unknown(kN)}) == Shape{kN, kN});

  // Too many to be known: as when they come at run time.
  std::vector<int64_t> far(2000, 1);
  far[0] = 2;
  far[1] = kMax;
  far[2] = kMin;
  far[3] = -3;
  Tensor indices = list(far), x = Tensor::from<float>({2}, {3, 4}), whole = iota<int32_t>({2}, 3);
  const Tensor y = one(ops::Gather{0}, {&x, &indices}), z = one(ops::Gather{0}, {&whole, &indices});
  for (int64_t i = 0; i < 4; ++i) {
    CHECK(std::isnan(y.data<float>()[i]));
    CHECK(z.data<int32_t>()[i] == 0);
  }
  CHECK(y.data<float>()[4] == 4);
  CHECK(z.data<int32_t>()[4] == 4);
  Tensor dy = iota<float>({2000});
  const Tensor dx = one(ops::GatherGradient{0}, {&dy, &x, &indices});
  CHECK(values<float>(dx) == std::vector<float>{0, 1999000 - 0 - 1 - 2 - 3});
}

TEST_CASE("expand: values, shapes and errors") {
  Tensor x = list({1, 0}).to(DType::boolean).reshape({2, 1}), shape = list({2, 1, 3});
  const Tensor y = one(ops::Expand{}, {&x, &shape});
  CHECK(y.shape() == Shape{2, 2, 3});
  CHECK(values<bool>(y) ==
        std::vector<bool>{true, true, true, false, false, false, true, true, true, false, false, false});
  const ValueType type{DType::f32, {kN, 1, 4}};
  CHECK(shape_of(ops::Expand{}, {type, known({1, 3, 1})}) == Shape{kN, 3, 4});
  CHECK(shape_of(ops::Expand{}, {type, known({5, 1, 1})}) == Shape{5, 1, 4});
  CHECK(shape_of(ops::Expand{}, {type, unknown(2)}) == Shape{kN, kN, 4});
  CHECK(shape_of(ops::Expand{}, {type, unknown(4)}) == Shape{kN, kN, kN, 4});
  CHECK_THROWS_WITH_AS(shape_of(ops::Expand{}, {type, known({1, 1, 5})}),
                       "expand: 5 in place 2 of the shape does not fit an input (N, 1, 4)", Error);
  CHECK_THROWS_AS(shape_of(ops::Expand{}, {type, known({1, -1, 4})}), Error);
}

TEST_CASE("squeeze and unsqueeze: shapes and errors") {
  const ValueType x{DType::f32, {kN, 1, 4, 1}};
  CHECK(shape_of(ops::Squeeze{}, {x, known({1, -1})}) == Shape{kN, 4});
  CHECK(shape_of(ops::Squeeze{}, {x, known({0})}) == Shape{1, 4, 1});
  CHECK(shape_of(ops::Squeeze{}, {x, unknown(1)}) == Shape{kN, kN, kN});
  CHECK(shape_of(ops::Squeeze{}, {{DType::f32, {2, 1, 4, 1}}}) == Shape{2, 4});
  CHECK_THROWS_WITH_AS(shape_of(ops::Squeeze{}, {x, known({2})}),
                       "squeeze: dim 2 of (N, 1, 4, 1) is not of size 1", Error);
  CHECK_THROWS_WITH_AS(
      shape_of(ops::Squeeze{}, {x}),
      "squeeze: without axes it needs sizes that are known when the graph is built, got (N, 1, 4, 1)", Error);
  CHECK(shape_of(ops::Unsqueeze{}, {{DType::f32, {kN, 3}}, known({0, -1, 2})}) == Shape{1, kN, 1, 3, 1});
  CHECK(shape_of(ops::Unsqueeze{}, {{DType::f32, {kN, 3}}, unknown(1)}) == Shape{kN, kN, kN});
  CHECK_THROWS_WITH_AS(shape_of(ops::Unsqueeze{}, {{DType::f32, {kN, 3}}, known({3})}),
                       "unsqueeze: axis 3 is outside of rank 3", Error);
}

TEST_CASE("tile: values, shapes and errors") {
  Tensor x = iota<int32_t>({2, 2}), repeats = list({2, 3}), none = list({0, 3});
  CHECK(values<int32_t>(one(ops::Tile{}, {&x, &repeats})) ==
        std::vector<int32_t>{0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3, 0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3});
  CHECK(one(ops::Tile{}, {&x, &none}).shape() == Shape{0, 6});
  const ValueType type{DType::f32, {kN, 3}};
  CHECK(shape_of(ops::Tile{}, {type, known({1, 2})}) == Shape{kN, 6});
  CHECK(shape_of(ops::Tile{}, {type, unknown(2)}) == Shape{kN, kN});
  CHECK_THROWS_WITH_AS(shape_of(ops::Tile{}, {type, known({2})}), "tile: needs 2 repeats for (N, 3), got 1",
                       Error);
  CHECK_THROWS_WITH_AS(shape_of(ops::Tile{}, {type, known({2, -1})}), "tile: cannot repeat -1 times", Error);
}

TEST_CASE("split: values, shapes and errors") {
  Tensor x = iota<int32_t>({2, 5}), sizes = list({2, 0, 3});
  const std::vector<Tensor> parts = run_op<float>(ops::Split{1, 3}, {&x, &sizes});
  REQUIRE(parts.size() == 3);
  CHECK(values<int32_t>(parts[0]) == std::vector<int32_t>{0, 1, 5, 6});
  CHECK(parts[1].shape() == Shape{2, 0});
  CHECK(values<int32_t>(parts[2]) == std::vector<int32_t>{2, 3, 4, 7, 8, 9});
  CHECK(values<int32_t>(run_op<float>(ops::Split{-1, 2}, {&x})[1]) == std::vector<int32_t>{3, 4, 8, 9});
  const ValueType type{DType::f32, {kN, 6}};
  CHECK(shape_of(ops::Split{0, 2}, {type}) == Shape{kN, 6});
  CHECK(shape_of(ops::Split{0, 2}, {type, known({4, 5})}) == Shape{4, 6});
  CHECK(shape_of(ops::Split{1, 2}, {type, unknown(2)}) == Shape{kN, kN});
  CHECK_THROWS_WITH_AS(shape_of(ops::Split{1, 2}, {type, known({4, 1})}),
                       "split: sizes that sum to 5 do not fit dim 1 of (N, 6)", Error);
  CHECK_THROWS_WITH_AS(shape_of(ops::Split{1, 3}, {type, known({4, 2})}),
                       "split: needs a size for each of 3 parts, got 2", Error);
  CHECK_THROWS_WITH_AS(shape_of(ops::Split{1, 5}, {type}),
                       "split: dim 1 of (N, 6) cannot be cut into 5 equal parts", Error);
  CHECK_THROWS_AS(shape_of(ops::Split{2, 1}, {type}), Error);
}

TEST_CASE("pad: values") {
  Tensor x = iota<int32_t>({4}, 1);
  const auto padded = [&](ops::PadMode mode, int64_t begin, int64_t end) {
    Tensor pads = list({begin, end});
    return values<int32_t>(one(ops::Pad{mode}, {&x, &pads}));
  };
  using Values = std::vector<int32_t>;
  CHECK(padded(ops::PadMode::constant, 2, 1) == Values{0, 0, 1, 2, 3, 4, 0});
  CHECK(padded(ops::PadMode::edge, 2, 1) == Values{1, 1, 1, 2, 3, 4, 4});
  CHECK(padded(ops::PadMode::reflect, 2, 3) == Values{3, 2, 1, 2, 3, 4, 3, 2, 1});
  CHECK(padded(ops::PadMode::reflect, 7, 0) == Values{2, 1, 2, 3, 4, 3, 2, 1, 2, 3, 4});
  CHECK(padded(ops::PadMode::wrap, 5, 2) == Values{4, 1, 2, 3, 4, 1, 2, 3, 4, 1, 2});
  CHECK(padded(ops::PadMode::constant, -1, -2) == Values{2});
  // What is cropped is not there to be repeated.
  CHECK(padded(ops::PadMode::reflect, -2, 3) == Values{3, 4, 3, 4, 3});
  CHECK(padded(ops::PadMode::edge, 2, -2) == Values{1, 1, 1, 2});
  CHECK(padded(ops::PadMode::wrap, -2, 3) == Values{3, 4, 3, 4, 3});
  CHECK(padded(ops::PadMode::constant, -4, 2) == Values{0, 0});

  Tensor plane = Tensor::from<float>({2, 2}, {1, 2, 3, 4}), pads = list({1, 2}), axes = list({-1}),
         value = Tensor::from<float>({}, {9});
  CHECK(values<float>(one(ops::Pad{}, {&plane, &pads, &value, &axes})) ==
        std::vector<float>{9, 1, 2, 9, 9, 9, 3, 4, 9, 9});
  Tensor nothing = Tensor({0, 2}), around = list({1, 0, 0, 1});
  CHECK(values<float>(one(ops::Pad{}, {&nothing, &around, &value})) == std::vector<float>{9, 9, 9});
}

TEST_CASE("pad: shapes and errors") {
  const ValueType x{DType::f32, {kN, 3, 4}};
  CHECK(shape_of(ops::Pad{}, {x, known({0, 1, 2, 0, -1, 3})}) == Shape{kN, 3, 9});
  CHECK(shape_of(ops::Pad{}, {x, unknown(6)}) == Shape{kN, kN, kN});
  CHECK_THROWS_WITH_AS(shape_of(ops::Pad{}, {x, known({1, 1})}),
                       "pad: needs 6 pads, a begin and an end for each axis, got 2 for (N, 3, 4)", Error);
  CHECK_THROWS_WITH_AS(shape_of(ops::Pad{}, {x, known({0, -2, 0, 0, -2, 0})}),
                       "pad: -2 and -2 crop more than there is of dim 1 of (N, 3, 4)", Error);
  CHECK_THROWS_WITH_AS(shape_of(ops::Pad{ops::PadMode::edge}, {x, known({0, -3, 0, 0, 1, 0})}),
                       "pad: no element of dim 1 of (N, 3, 4) is left to repeat", Error);
  CHECK_THROWS_WITH_AS(shape_of(ops::Pad{}, {x, known({0, 0, 0, 0, 0, 0}), known({1})}),
                       "pad: needs a value of one f32, got i64 (1,)", Error);
}

TEST_CASE("range and fill_shape: values, shapes and errors") {
  const auto scalar = [](double value, DType dtype) { return Tensor::from<double>({}, {value}).to(dtype); };
  Tensor start = scalar(10, DType::i32), limit = scalar(3, DType::i32), delta = scalar(-3, DType::i32);
  CHECK(values<int32_t>(one(ops::Range{}, {&start, &limit, &delta})) == std::vector<int32_t>{10, 7, 4});
  Tensor from = scalar(1, DType::f32), to = scalar(5, DType::f32), by = scalar(2, DType::f32);
  CHECK(values<float>(one(ops::Range{}, {&from, &to, &by})) == std::vector<float>{1, 3});
  const auto number = [](int64_t value) {
    return ValueType{DType::i64, {}, known_value(Tensor::from<int64_t>({}, {value}))};
  };
  CHECK(shape_of(ops::Range{}, {number(5), number(5), number(1)}) == Shape{0});
  CHECK(shape_of(ops::Range{}, {number(kMin), number(kMax), number(kMax)}) == Shape{3});
  CHECK(shape_of(ops::Range{}, {number(0), {DType::i64, {}}, number(1)}) == Shape{kN});
  CHECK_THROWS_WITH_AS(shape_of(ops::Range{}, {number(0), number(5), number(0)}),
                       "range: delta must not be 0", Error);
  CHECK_THROWS_WITH_AS(shape_of(ops::Range{}, {number(0), {DType::f32, {}}, number(1)}),
                       "range: needs three numbers of one type, got f32 () beside i64", Error);

  Tensor shape = list({2, 3}), none = list({});
  CHECK(values<int64_t>(one(ops::FillShape{DType::i64, 7}, {&shape})) ==
        std::vector<int64_t>{7, 7, 7, 7, 7, 7});
  CHECK(values<bool>(one(ops::FillShape{DType::boolean, 1}, {&none})) == std::vector<bool>{true});
  CHECK(shape_of(ops::FillShape{}, {unknown(2)}) == Shape{kN, kN});
  CHECK_THROWS_WITH_AS(shape_of(ops::FillShape{}, {known({2, -1})}),
                       "fill_shape: a size must not be negative, got -1", Error);
}

TEST_CASE("depth_to_space: ONNX's published values, its inverse, errors") {
  Tensor x({1, 8, 2, 3});
  for (int64_t i = 0; i < x.numel(); ++i) x.data<float>()[i] = static_cast<float>(i / 6 * 9 + i % 6);
  const Tensor depth_first = one(ops::DepthToSpace{2, ops::DepthOrder::depth_first}, {&x});
  CHECK(depth_first.shape() == Shape{1, 2, 4, 6});
  CHECK(values<float>(depth_first) == std::vector<float>{0,  18, 1,  19, 2,  20, 36, 54, 37, 55, 38, 56,
                                                         3,  21, 4,  22, 5,  23, 39, 57, 40, 58, 41, 59,
                                                         9,  27, 10, 28, 11, 29, 45, 63, 46, 64, 47, 65,
                                                         12, 30, 13, 31, 14, 32, 48, 66, 49, 67, 50, 68});
  const Tensor channels_first = one(ops::DepthToSpace{2, ops::DepthOrder::channels_first}, {&x});
  CHECK(values<float>(channels_first) == std::vector<float>{0,  9,  1,  10, 2,  11, 18, 27, 19, 28, 20, 29,
                                                            3,  12, 4,  13, 5,  14, 21, 30, 22, 31, 23, 32,
                                                            36, 45, 37, 46, 38, 47, 54, 63, 55, 64, 56, 65,
                                                            39, 48, 40, 49, 41, 50, 57, 66, 58, 67, 59, 68});
  Tensor space = depth_first.clone();
  CHECK(values<float>(one(ops::SpaceToDepth{2}, {&space})) == values<float>(x));
  CHECK(shape_of(ops::DepthToSpace{2}, {{DType::f32, {kN, 8, kN, 3}}}) == Shape{kN, 2, kN, 6});
  CHECK_THROWS_WITH_AS(shape_of(ops::DepthToSpace{2}, {{DType::f32, {kN, 6, 2, 3}}}),
                       "depth_to_space: the channels of (N, 6, 2, 3) are not a multiple of 4", Error);
  CHECK_THROWS_WITH_AS(shape_of(ops::SpaceToDepth{2}, {{DType::f32, {kN, 6, 2, 3}}}),
                       "space_to_depth: (N, 6, 2, 3) is not cut into blocks of 2", Error);
}

TEST_CASE_TEMPLATE("concat and slice: every type of element", T, float, int32_t, int64_t, bool) {
  Tensor a = iota<T>({2, 3}), b = iota<T>({2, 2}, 1);
  const Tensor y = one(ops::Concat{-1}, {&a, &b});
  CHECK(values<T>(y) == std::vector<T>{T(0), T(1), T(2), T(1), T(2), T(3), T(4), T(5), T(3), T(4)});
  CHECK(values<T>(one(ops::Slice{1, 1, 3}, {&a})) == std::vector<T>{T(1), T(2), T(4), T(5)});
  CHECK_THROWS_WITH_AS(shape_of(ops::Concat{0}, {{DType::i64, {2}}, {DType::i32, {2}}}),
                       "concat: needs inputs of one type, got i64 and i32", Error);
}

}  // namespace pleat::test
