#include "support/op_case.hpp"

namespace pleat::test {

std::vector<OpCase> pool_cases() {
  struct Geometry {
    const char* name;
    ops::Window window;
    Shape x;
  };
  const std::vector<Geometry> geometries = {
      {"2x2 stride 2", {{2, 2}, {2, 2}}, {2, 3, 6, 8}},
      {"2x2 stride 2, odd size", {{2, 2}, {2, 2}}, {2, 2, 7, 9}},
      {"3x3 stride 2 pad 1", {{3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}, {1, 2, 9, 18}},
      {"3x3 stride 1 pad 1", {{3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, {2, 2, 5, 11}},
      {"3x2 stride 1x3 pad 1x0", {{3, 2}, {1, 3}, {1, 1}, {1, 0}, {1, 0}}, {1, 3, 4, 10}},
      {"3x3 dilation 2 pad 2", {{3, 3}, {1, 1}, {2, 2}, {2, 2}, {2, 2}}, {1, 2, 6, 7}},
      {"2x2 pad at the end only", {{2, 2}, {1, 1}, {1, 1}, {0, 0}, {1, 1}}, {1, 2, 4, 5}},
      {"7x7 of all", {{7, 7}, {7, 7}}, {2, 3, 7, 7}},
      {"1x1", {{1, 1}, {1, 1}}, {2, 1, 3, 3}},
      {"3 stride 2 pad 1 of (N, C, L)", {{1, 3}, {1, 2}, {1, 1}, {0, 1}, {0, 1}}, {2, 3, 17}},
  };
  std::vector<OpCase> cases;
  for (const Geometry& g : geometries) {
    const std::string name = g.name;
    cases.push_back({"max_pool " + name, ops::MaxPool{g.window}, {{g.x, -4, 4}}});
    cases.push_back({"avg_pool " + name, ops::AvgPool{g.window, true}, {{g.x}}});
    cases.push_back({"avg_pool without padding " + name, ops::AvgPool{g.window, false}, {{g.x}}});
  }
  const std::vector<Geometry> beyond = {
      {"3x3 stride 2 that ends outside", {{3, 3}, {2, 2}}, {2, 2, 6, 8}},
      {"3x2 stride 2x5 pad 1", {{3, 2}, {2, 5}, {1, 1}, {1, 1}, {0, 1}}, {1, 2, 6, 13}},
      {"4 larger than (N, C, 3)", {{1, 4}, {1, 2}}, {2, 3, 3}},
  };
  for (const Geometry& g : beyond) {
    const std::string name = g.name;
    cases.push_back({"max_pool " + name, ops::MaxPool{g.window, true}, {{g.x, -4, 4}}});
    cases.push_back({"avg_pool " + name, ops::AvgPool{g.window, true, true}, {{g.x}}});
    cases.push_back({"avg_pool without padding " + name, ops::AvgPool{g.window, false, true}, {{g.x}}});
  }
  for (const ops::AutoPad pad : {ops::AutoPad::same_upper, ops::AutoPad::same_lower}) {
    const ops::Window window{.kernel = {3, 4}, .stride = {2, 3}, .dilation = {2, 1}, .auto_pad = pad};
    const std::string name = pad == ops::AutoPad::same_upper ? "same upper" : "same lower";
    cases.push_back({"max_pool " + name, ops::MaxPool{window}, {{{2, 2, 8, 9}, -4, 4}}});
    cases.push_back({"avg_pool " + name, ops::AvgPool{window, true}, {{{2, 2, 8, 9}}}});
    cases.push_back({"avg_pool without padding " + name, ops::AvgPool{window, false}, {{{2, 2, 8, 9}}}});
  }
  cases.push_back(
      {"max_pool with indices", ops::MaxPool{{{2, 2}, {2, 2}}, false, true}, {{{2, 2, 6, 6}, -4, 4}}});
  // Several tasks, so that threads matter.
  const ops::Window resnet{{3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}};
  const CaseInput large{{2, 9, 56, 57}, -1, 1, DType::f32, false, /*differentiate=*/false};
  cases.push_back({"max_pool (2, 9, 56, 57)", ops::MaxPool{resnet}, {large}});
  cases.push_back({"avg_pool (2, 9, 56, 57)", ops::AvgPool{resnet, false}, {large}});
  cases.push_back({"global_avg_pool (2, 9, 56, 57)", ops::GlobalAvgPool{}, {large}});

  for (const bool keep_dims : {false, true}) {
    const std::string name = keep_dims ? "global_avg_pool keep_dims " : "global_avg_pool ";
    for (const Shape& x : {Shape{2, 3, 5}, Shape{2, 5, 7, 7}, Shape{1, 2, 3, 2, 4}, Shape{3, 1, 1, 1}}) {
      cases.push_back({name + x.str(), ops::GlobalAvgPool{keep_dims}, {{x}}});
    }
  }
  return cases;
}

}  // namespace pleat::test
