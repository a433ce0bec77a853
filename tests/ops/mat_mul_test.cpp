#include <doctest/doctest.h>

#include "pleat/error.hpp"
#include "support/every_isa.hpp"
#include "support/random_tensor.hpp"
#include "support/run_op.hpp"

namespace pleat::test {
namespace {

constexpr int64_t kN = kDynamic;

Shape shape_of(const Shape& a, const Shape& b, DType dtype = DType::f32) {
  const ValueType types[] = {{dtype, a}, {dtype, b}};
  return definition(ops::MatMul{}).infer(ops::MatMul{}, {&types[0], &types[1]})[0].shape;
}

Tensor multiply(Tensor a, Tensor b) {
  return run_op<float>(ops::MatMul{}, {&a, &b})[0];
}

}  // namespace

TEST_CASE("mat_mul: shapes are numpy.matmul's") {
  CHECK(shape_of({3, 4}, {4, 5}) == Shape{3, 5});
  CHECK(shape_of({4}, {4}) == Shape{});
  CHECK(shape_of({4}, {2, 4, 5}) == Shape{2, 5});
  CHECK(shape_of({2, 3, 4}, {4}) == Shape{2, 3});
  CHECK(shape_of({2, 1, 3, 4}, {5, 4, 6}) == Shape{2, 5, 3, 6});
  CHECK(shape_of({kN, 8, kN, 4}, {kN, 8, 4, kN}) == Shape{kN, 8, kN, kN});
  CHECK(shape_of({kN, 3, 4}, {4, 5}) == Shape{kN, 3, 5});
  CHECK(shape_of({kN, 3, 4}, {7, 4, 5}) == Shape{7, 3, 5});
  CHECK(shape_of({kN, 3, kN}, {1, 4, 5}) == Shape{kN, 3, 5});
  CHECK_THROWS_WITH_AS(shape_of({3, 4}, {5, 6}),
                       "mat_mul: needs (..., m, k) and (..., k, n), or k alone, with leading dimensions that "
                       "can be broadcast, got (3, 4) and (5, 6)",
                       Error);
  CHECK_THROWS_AS(shape_of({2, 3, 4}, {3, 4, 5}), Error);
  CHECK_THROWS_AS(shape_of({}, {3, 4}), Error);
  CHECK_THROWS_WITH_AS(shape_of({3, 4}, {4, 5}, DType::i64),
                       "mat_mul: needs operands of floating point, got i64", Error);
}

TEST_CASE("mat_mul: is the sum of its definition") {
  const Tensor a = random_tensor({2, 1, 3, 4}, seed()), b = random_tensor({5, 4, 6}, seed() + 1);
  const Tensor y = multiply(a, b);
  REQUIRE(y.shape() == Shape{2, 5, 3, 6});
  const float* got = y.data<float>();
  for (int64_t p = 0; p < 2; ++p) {
    for (int64_t q = 0; q < 5; ++q) {
      for (int64_t i = 0; i < 3; ++i) {
        for (int64_t j = 0; j < 6; ++j) {
          double sum = 0;
          for (int64_t l = 0; l < 4; ++l) {
            sum += static_cast<double>(a.data<float>()[(p * 3 + i) * 4 + l]) *
                   static_cast<double>(b.data<float>()[(q * 4 + l) * 6 + j]);
          }
          CHECK(static_cast<double>(*got++) == doctest::Approx(sum).epsilon(1e-6));
        }
      }
    }
  }
}

TEST_CASE("mat_mul: a sum of no terms is 0, and no matrices give none") {
  const Tensor y = multiply(Tensor({2, 3, 0}), Tensor({0, 4}));
  REQUIRE(y.shape() == Shape{2, 3, 4});
  for (float x : y.span<float>()) CHECK(x == 0);
  CHECK(multiply(Tensor({0, 3, 4}), Tensor({4, 5})).shape() == Shape{0, 3, 5});
  Tensor dy({0, 3, 5}), a({0, 3, 4}), b = random_tensor({4, 5}, 1);
  const Tensor db = run_op<float>(ops::MatMulGradient{true}, {&dy, &a, &b})[0];
  for (float x : db.span<float>()) CHECK(x == 0);
}

}  // namespace pleat::test
