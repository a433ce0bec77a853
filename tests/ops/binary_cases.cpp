#include "base/format.hpp"
#include "support/op_case.hpp"

namespace pleat::test {
namespace {

using Kind = ops::BinaryKind;

struct Shapes {
  Shape a, b;
};

// Every way to broadcast: none, a scalar, a channel's, the last dimension's, both, other ranks, inner rows
// of one.
const Shapes kShapes[] = {{{3, 5}, {3, 5}},
                          {{2, 3, 4}, {}},
                          {{}, {7}},
                          {{2, 3, 4, 5}, {1, 3, 1, 1}},
                          {{2, 3, 5}, {5}},
                          {{3, 1}, {1, 4}},
                          {{2, 1, 3, 1}, {4, 1, 5}},
                          {{1, 3, 1}, {2, 3, 4}},
                          {{2, 3, 1}, {2, 3, 2}}};

}  // namespace

std::vector<OpCase> binary_cases() {
  std::vector<OpCase> cases;
  struct Named {
    const char* name;
    Kind kind;
    double a_low, a_high, b_low, b_high;
  };
  for (const Named& one : {
           Named{"binary add", Kind::add, -1, 1, -1, 1},
           Named{"sub", Kind::sub, -1, 1, -1, 1},
           Named{"mul", Kind::mul, -1, 1, -1, 1},
           Named{"div", Kind::div, -1, 1, 0.5, 2},
           Named{"pow", Kind::pow, 0.5, 2, -2, 2},
           Named{"min", Kind::min, -1, 1, -1, 1},
           Named{"max", Kind::max, -1, 1, -1, 1},
           Named{"mod", Kind::mod, -0.9, -0.1, 1, 2},
           Named{"fmod", Kind::fmod, 2.1, 2.9, 1, 1.05},
           Named{"prelu", Kind::prelu, -1, 1, 0, 0.5},
       }) {
    for (const Shapes& shapes : kShapes) {
      cases.push_back({concat(one.name, " ", shapes.a.str(), " ", shapes.b.str()),
                       ops::Binary{one.kind},
                       {{shapes.a, one.a_low, one.a_high}, {shapes.b, one.b_low, one.b_high}}});
    }
    // Several tasks, whose edges fall into rows.
    const auto large = [&](Shape a, Shape b) {
      cases.push_back({concat(one.name, " ", a.str(), " ", b.str()),
                       ops::Binary{one.kind},
                       {{a, one.a_low, one.a_high, DType::f32, false, false},
                        {b, one.b_low, one.b_high, DType::f32, false, false}}});
    };
    large({33, 1025}, {33, 1025});
    large({2, 5, 61, 67}, {1, 5, 1, 1});
    large({1001}, {41, 1});
  }
  cases.push_back({"pow of a whole power",
                   ops::Binary{Kind::pow},
                   {{{3, 4}, -1, 1}, {{4}, 0, 0, DType::i64, false, false, {0, 1, 2, 3}}}});
  cases.push_back({"where", ops::Where{}, {{{2, 1, 4}, 0, 1, DType::boolean}, {{3, 1}}, {{1, 2, 1, 1}}}});
  cases.push_back({"where (70001)",
                   ops::Where{},
                   {{{70001}, 0, 1, DType::boolean},
                    {{70001}, -1, 1, DType::f32, false, false},
                    {{1}, -1, 1, DType::f32, false, false}}});
  return cases;
}

}  // namespace pleat::test
