#include "base/format.hpp"
#include "support/op_case.hpp"

namespace pleat::test {

std::vector<OpCase> mat_mul_cases() {
  struct Operands {
    Shape a, b;
  };
  const std::vector<Operands> operands = {
      {{3, 4}, {4, 5}},
      {{7}, {7}},
      {{7}, {7, 3}},
      {{3, 7}, {7}},
      {{2, 3, 7}, {7}},
      {{7}, {2, 7, 3}},
      {{2, 3, 4}, {4, 5}},
      {{2, 3, 5, 4}, {4, 7}},
      {{5, 4}, {2, 3, 4, 7}},
      {{2, 3, 4}, {2, 4, 5}},
      {{2, 1, 3, 4}, {5, 4, 6}},
      {{2, 3, 3, 4}, {3, 4, 5}},
      {{3, 1, 2, 4}, {1, 2, 4, 3}},
      {{1, 1, 3, 4}, {4, 3}},
      {{6, 33, 17}, {6, 17, 35}},
      {{70, 300}, {300, 90}},
  };
  std::vector<OpCase> cases;
  for (const Operands& o : operands) {
    cases.push_back({concat("mat_mul ", o.a.str(), " ", o.b.str()), ops::MatMul{}, {{o.a}, {o.b}}});
  }
  // Products large enough to be cut, with and without a batch.
  const auto large = [](const Shape& shape) { return CaseInput{.shape = shape, .differentiate = false}; };
  cases.push_back({"mat_mul of 3 large", ops::MatMul{}, {large({3, 160, 300}), large({3, 300, 200})}});
  cases.push_back({"mat_mul of 40 small", ops::MatMul{}, {large({40, 50, 60}), large({40, 60, 50})}});
  return cases;
}

}  // namespace pleat::test
