#include <doctest/doctest.h>

#include "support/run_op.hpp"

using namespace pleat;
using pleat::test::run_op;

TEST_CASE("cross entropy is PyTorch's") {
  Tensor logits = Tensor::from<float>({2, 3}, {1, 2, 5, 0, -1, 4}),
         labels = Tensor::from<int64_t>({2}, {2, 0});
  const auto loss = [&](double smoothing) {
    return static_cast<double>(
        run_op<float>(ops::CrossEntropy{smoothing}, {&logits, &labels})[0].data<float>()[0]);
  };
  CHECK(loss(0) == doctest::Approx(2.045314396948126).epsilon(1e-6));
  CHECK(loss(0.1) == doctest::Approx(2.1119810636147927).epsilon(1e-6));
}

TEST_CASE("losses refuse what does not fit") {
  Tensor logits({2, 3}), labels({3}, DType::i64), floats({2}), flat({6});
  CHECK_THROWS_WITH_AS(run_op<float>(ops::CrossEntropy{}, {&logits, &labels}),
                       "cross_entropy: logits (2, 3) need one label an item, got labels (3,)", Error);
  CHECK_THROWS_WITH_AS(run_op<float>(ops::CrossEntropy{}, {&logits, &floats}),
                       "cross_entropy: needs labels of type i64, got f32", Error);
  CHECK_THROWS_WITH_AS(run_op<float>(ops::CrossEntropy{}, {&flat, &labels}),
                       "cross_entropy: needs logits (N, classes), got (6,)", Error);
  CHECK_THROWS_WITH_AS(run_op<float>(ops::MeanSquaredError{}, {&logits, &flat}),
                       "mean_squared_error: needs a target of the output's shape and type, got output (2, 3) "
                       "f32 and target (6,) "
                       "f32",
                       Error);
}
