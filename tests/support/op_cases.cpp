#include "support/op_case.hpp"

#include "base/random.hpp"

namespace pleat::test {

std::vector<OpCase> batch_norm_cases();
std::vector<OpCase> binary_cases();
std::vector<OpCase> channels_last_cases();
std::vector<OpCase> conv_cases();
std::vector<OpCase> elementwise_cases();
std::vector<OpCase> linear_cases();
std::vector<OpCase> loss_cases();
std::vector<OpCase> mat_mul_cases();
std::vector<OpCase> movement_cases();
std::vector<OpCase> normalization_cases();
std::vector<OpCase> pool_cases();
std::vector<OpCase> reduce_cases();
std::vector<OpCase> resize_cases();
std::vector<OpCase> unary_cases();

std::vector<OpCase> op_cases() {
  std::vector<OpCase> cases;
  for (const auto family : {
           batch_norm_cases,
           binary_cases,
           channels_last_cases,
           conv_cases,
           elementwise_cases,
           linear_cases,
           loss_cases,
           mat_mul_cases,
           movement_cases,
           normalization_cases,
           pool_cases,
           reduce_cases,
           resize_cases,
           unary_cases,
       }) {
    for (OpCase& one : family()) cases.push_back(std::move(one));
  }
  return cases;
}

std::vector<Tensor> draw_inputs(const OpCase& op_case, uint64_t seed) {
  Random random(seed);
  std::vector<Tensor> inputs;
  for (const CaseInput& input : op_case.inputs) {
    Tensor& tensor = inputs.emplace_back();
    if (input.absent) continue;
    tensor = Tensor(input.shape, input.dtype);
    if (!input.values.empty()) {
      tensor = Tensor::from<double>(input.shape, input.values).to(input.dtype);
      continue;
    }
    Tensor drawn(input.shape, DType::f64);
    for (double& x : drawn.span<double>()) {
      x = random.uniform(input.low, input.high);
      if (input.dtype == DType::boolean) x = x < (input.low + input.high) / 2 ? 0 : 1;
    }
    tensor = drawn.to(input.dtype);
  }
  return inputs;
}

}  // namespace pleat::test
