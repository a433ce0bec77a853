#include "base/format.hpp"
#include "support/op_case.hpp"

namespace pleat::test {

std::vector<OpCase> reduce_cases() {
  using Kind = ops::ReduceKind;
  struct Named {
    const char* name;
    Kind kind;
    double low = -1, high = 1;
  };
  std::vector<OpCase> cases;
  for (const Named& one :
       {Named{"mean", Kind::mean}, Named{"sum", Kind::sum}, Named{"max", Kind::max}, Named{"min", Kind::min},
        Named{"prod", Kind::prod, 0.5, 1.5}, Named{"l1", Kind::l1}, Named{"l2", Kind::l2},
        Named{"log_sum", Kind::log_sum, 0.1, 2}, Named{"log_sum_exp", Kind::log_sum_exp, -5, 5},
        Named{"sum_square", Kind::sum_square}}) {
    const auto add = [&](Shape x, std::vector<double> axes, bool keep_dims) {
      cases.push_back({concat("reduce ", one.name, " ", x.str(), " over ", axes.size(), " from ", axes[0]),
                       ops::Reduce{one.kind, keep_dims},
                       {{x, one.low, one.high}, integers(axes)}});
    };
    add({3, 37}, {1}, true);             // trailing
    add({2, 3, 4, 5}, {2, 3}, false);    // planes
    add({37, 3}, {0}, false);            // leading
    add({3, 70, 2}, {-2}, true);         // middle
    add({2, 3, 4, 5}, {0, 2, 3}, true);  // all but channels
    add({2, 3, 4, 5}, {3, 1}, false);    // every other
    add({5, 1, 3, 1}, {1, 3}, true);     // nothing but ones
    cases.push_back({concat("reduce ", one.name, " to a scalar"),
                     ops::Reduce{one.kind, false},
                     {{{3, 5}, one.low, one.high}, {.shape = {}, .absent = true}}});
    cases.push_back({concat("reduce ", one.name, " of each element"),
                     ops::Reduce{one.kind, true, /*keep_all_if_empty=*/true},
                     {{{3, 5}, one.low > -1 ? one.low : 0.1, one.high}, {.shape = {}, .absent = true}}});
    if (one.kind == Kind::prod) continue;
    // Sums in several pieces, and several tasks.
    const auto large = [&](Shape x, std::vector<double> axes) {
      cases.push_back({concat("reduce ", one.name, " ", x.str()),
                       ops::Reduce{one.kind},
                       {{x, one.low, one.high, DType::f32, false, false}, integers(axes)}});
    };
    large({3, 20011}, {1});
    large({20011, 3}, {0});
    large({40, 7, 300}, {0, 2});
    large({2, 301, 130}, {1});
  }
  cases.push_back({"sum_to (3, 1)", ops::SumTo{}, {{{2, 3, 4}, -1, 1, DType::f32, false, false}, {{3, 1}}}});
  return cases;
}

}  // namespace pleat::test
