#include "support/op_case.hpp"

namespace pleat::test {

std::vector<OpCase> batch_norm_cases();
std::vector<OpCase> binary_cases();
std::vector<OpCase> conv_cases();
std::vector<OpCase> elementwise_cases();
std::vector<OpCase> linear_cases();
std::vector<OpCase> loss_cases();
std::vector<OpCase> movement_cases();
std::vector<OpCase> mat_mul_cases();
std::vector<OpCase> normalization_cases();
std::vector<OpCase> pool_cases();
std::vector<OpCase> reduce_cases();
std::vector<OpCase> unary_cases();
std::vector<OpCase> resize_cases();

std::vector<OpCase> op_cases() {
  std::vector<OpCase> cases;
  for (const auto family : {
           batch_norm_cases,
           binary_cases,
           conv_cases,
           elementwise_cases,
           linear_cases,
           loss_cases,
           movement_cases,
           mat_mul_cases,
           normalization_cases,
           pool_cases,
           reduce_cases,
           unary_cases,
           resize_cases,
       }) {
    for (OpCase& one : family()) cases.push_back(std::move(one));
  }
  return cases;
}

}  // namespace pleat::test
