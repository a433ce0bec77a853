#include "base/format.hpp"
#include "support/op_case.hpp"

namespace pleat::test {

std::vector<OpCase> loss_cases() {
  std::vector<OpCase> cases;
  for (const Shape& shape : {Shape{5}, Shape{3, 1}, Shape{7, 10}, Shape{2, 3, 33}, Shape{300, 200}}) {
    for (bool log : {false, true}) {
      cases.push_back(
          {concat(log ? "log_softmax " : "softmax ", shape.str()), ops::Softmax{log}, {{shape, -4, 4}}});
    }
  }
  for (const Shape& shape : {Shape{1, 2}, Shape{7, 10}, Shape{33, 17}, Shape{600, 100}}) {
    for (double smoothing : {0.0, 0.1}) {
      const double classes = static_cast<double>(shape[1]);
      cases.push_back({concat("cross_entropy ", shape.str(), " label smoothing ", smoothing),
                       ops::CrossEntropy{smoothing},
                       {{shape, -4, 4}, {{shape[0]}, 0, classes, DType::i64}}});
    }
  }
  for (const Shape& shape : {Shape{1}, Shape{9, 3}, Shape{2, 3, 5, 7}, Shape{200, 100}}) {
    cases.push_back(
        {concat("mean_squared_error ", shape.str()), ops::MeanSquaredError{}, {{shape}, {shape}}});
  }
  return cases;
}

}  // namespace pleat::test
