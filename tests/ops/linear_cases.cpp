#include "support/op_case.hpp"

namespace pleat::test {

std::vector<OpCase> linear_cases() {
  const auto forward = [](std::string name, int64_t m, int64_t in, int64_t out, ops::Epilogue epilogue = {}) {
    return OpCase{.name = "linear " + name,
                  .attributes = ops::Linear{epilogue},
                  .inputs = {{.shape = {m, in}}, {.shape = {out, in}}, {.shape = {out}}}};
  };
  OpCase no_bias = forward("without bias", 5, 9, 4);
  no_bias.inputs[2].absent = true;
  OpCase deep = forward("over the last of three dimensions", 1, 6, 5);
  deep.inputs[0].shape = {2, 3, 6};
  std::vector<OpCase> cases = {no_bias,
                               deep,
                               forward("one row", 1, 33, 10),
                               forward("two rows", 2, 16, 8),
                               forward("few rows", 5, 20, 17),
                               forward("tiles with edges", 13, 40, 35)};
  // Fused epilogues come after differentiation: values only.
  for (const Activation activation :
       {Activation::relu, Activation::relu6, Activation::leaky_relu, Activation::sigmoid, Activation::silu,
        Activation::hardswish, Activation::tanh}) {
    OpCase fused = forward("with an activation and a residual", 7, 19, 21, {activation, 0.1});
    fused.inputs.push_back({.shape = {7, 21}});
    for (CaseInput& input : fused.inputs) input.differentiate = false;
    cases.push_back(fused);
  }
  return cases;
}

}  // namespace pleat::test
