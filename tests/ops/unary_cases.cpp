#include "support/op_case.hpp"

namespace pleat::test {

std::vector<OpCase> unary_cases() {
  using Kind = ops::UnaryKind;
  struct Named {
    const char* name;
    ops::Unary op;
    double low = -3, high = 3;
  };
  std::vector<OpCase> cases;
  for (const Named& one : {
           Named{"abs", {Kind::abs}},
           Named{"ceil", {Kind::ceil}, 0.1, 0.9},  // off the steps, for the numeric gradient and f32
           Named{"floor", {Kind::floor}, 0.1, 0.9},
           Named{"round", {Kind::round}, 0.6, 1.4},
           Named{"sign", {Kind::sign}},
           Named{"neg", {Kind::neg}},
           Named{"reciprocal", {Kind::reciprocal}, 0.5, 4},
           Named{"sqrt", {Kind::sqrt}, 0.1, 9},
           Named{"exp", {Kind::exp}},
           Named{"log", {Kind::log}, 0.1, 9},
           Named{"erf", {Kind::erf}},
           Named{"sin", {Kind::sin}},
           Named{"cos", {Kind::cos}},
           Named{"clip", {Kind::clip, -1, 2}},
           Named{"hard_sigmoid", {Kind::hard_sigmoid, 0.2, 0.5}, -4, 4},
           Named{"elu", {Kind::elu, 1.5}},
           Named{"celu", {Kind::celu, 0.7}},
           Named{"selu", {Kind::selu, 1.67326, 1.0507}},
           Named{"softplus", {Kind::softplus}, -8, 8},
           Named{"softsign", {Kind::softsign}},
           Named{"mish", {Kind::mish}, -8, 8},
           Named{"gelu", {Kind::gelu}, -5, 5},
           Named{"gelu_tanh", {Kind::gelu_tanh}, -5, 5},
           Named{"swish", {Kind::swish, 1.3}, -8, 8},
           Named{"thresholded_relu", {Kind::thresholded_relu, 0.5}},
       }) {
    const std::string name = one.name;
    cases.push_back({name + " (5, 7)", one.op, {{{5, 7}, one.low, one.high}}});
    // Several tasks, so that threads matter.
    cases.push_back({name + " (40001)",
                     one.op,
                     {{{40001}, one.low, one.high, DType::f32, false, /*differentiate=*/false}}});
  }
  cases.push_back({"exp of a scalar", ops::Unary{Kind::exp}, {{{}}}});
  cases.push_back({"cast f32", ops::Cast{DType::f32}, {{{4, 5}}}});
  return cases;
}

}  // namespace pleat::test
