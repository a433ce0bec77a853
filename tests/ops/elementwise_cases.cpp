#include "support/op_case.hpp"

namespace pleat::test {

std::vector<OpCase> elementwise_cases() {
  std::vector<OpCase> cases;
  struct Named {
    const char* name;
    Activation activation;
    double alpha = 0;
  };
  for (const Named& act : {Named{"relu", Activation::relu}, Named{"relu6", Activation::relu6},
                           Named{"leaky_relu", Activation::leaky_relu, 0.1},
                           Named{"leaky_relu of negative slope", Activation::leaky_relu, -0.3},
                           Named{"sigmoid", Activation::sigmoid}, Named{"silu", Activation::silu},
                           Named{"hardswish", Activation::hardswish}, Named{"tanh", Activation::tanh}}) {
    const std::string name = act.name;
    const ops::Activate op{act.activation, act.alpha};
    cases.push_back({name + " (5, 7)", op, {{{5, 7}, -8, 8}}});
    cases.push_back({name + " (2, 3, 5, 4)", op, {{{2, 3, 5, 4}, -4, 4}}});
    cases.push_back({name + " of a scalar", op, {{{}, 1, 2}}});
    // Several tasks, so that threads matter.
    cases.push_back({name + " (70001)", op, {{{70001}, -8, 8, DType::f32, false, /*differentiate=*/false}}});
  }
  cases.push_back({"add (3, 5)", ops::Add{}, {{{3, 5}}, {{3, 5}}}});
  cases.push_back({"add (2, 3, 4, 4)", ops::Add{}, {{{2, 3, 4, 4}}, {{2, 3, 4, 4}}}});
  cases.push_back(
      {"add (33, 1025)",
       ops::Add{},
       {{{33, 1025}, -1, 1, DType::f32, false, false}, {{33, 1025}, -1, 1, DType::f32, false, false}}});

  cases.push_back({"concat dim 1", ops::Concat{1}, {{{2, 3, 5}}, {{2, 1, 5}}, {{2, 4, 5}}}});
  cases.push_back({"concat dim 0", ops::Concat{0}, {{{2, 3}}, {{5, 3}}}});
  cases.push_back({"concat last dim", ops::Concat{-1}, {{{2, 3, 1}}, {{2, 3, 7}}, {{2, 3, 2}}}});
  cases.push_back({"concat of one", ops::Concat{1}, {{{2, 3}}}});
  cases.push_back({"concat of many",
                   ops::Concat{1},
                   {{{3, 1}}, {{3, 2}}, {{3, 3}}, {{3, 4}}, {{3, 5}}, {{3, 6}}, {{3, 7}}, {{3, 8}}}});
  cases.push_back(
      {"concat (9, 64, 100)",
       ops::Concat{1},
       {{{9, 31, 100}, -1, 1, DType::f32, false, false}, {{9, 33, 100}, -1, 1, DType::f32, false, false}}});

  cases.push_back({"slice dim 1", ops::Slice{1, 1, 3}, {{{2, 5, 3}}}});
  cases.push_back({"slice dim 0", ops::Slice{0, 2, 4}, {{{4, 3}}}});
  cases.push_back({"slice last dim", ops::Slice{2, 0, 1}, {{{2, 3, 4}}}});
  cases.push_back({"fill", ops::Fill{2.5}, {{{3, 7}, -1, 1, DType::f32, false, /*differentiate=*/false}}});
  return cases;
}

}  // namespace pleat::test
