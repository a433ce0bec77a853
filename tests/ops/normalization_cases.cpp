#include "base/format.hpp"
#include "support/op_case.hpp"

namespace pleat::test {

std::vector<OpCase> normalization_cases() {
  std::vector<OpCase> cases;
  for (const Shape& shape : {Shape{5, 2}, Shape{2, 7, 3}, Shape{3, 40, 5, 7}}) {
    for (bool log : {false, true}) {
      cases.push_back({concat(log ? "log_softmax" : "softmax", " dim 1 ", shape.str()),
                       ops::Softmax{log, 1},
                       {{shape, -4, 4}}});
      cases.push_back({concat(log ? "log_softmax" : "softmax", " dim 0 ", shape.str()),
                       ops::Softmax{log, -shape.rank()},
                       {{shape, -4, 4}}});
    }
  }
  cases.push_back({"softmax dim 1 (4, 30, 1003)",
                   ops::Softmax{false, 1},
                   {{{4, 30, 1003}, -4, 4, DType::f32, false, false}}});

  cases.push_back({"layer_norm (3, 5)", ops::LayerNorm{}, {{{3, 5}}}, 1e-5});
  cases.push_back({"layer_norm weight, bias", ops::LayerNorm{-1, 1e-2}, {{{2, 3, 17}}, {{17}}, {{17}}}});
  cases.push_back({"layer_norm two dimensions", ops::LayerNorm{1}, {{{4, 3, 5}}, {{3, 5}}, {{3, 5}}}});
  cases.push_back({"layer_norm weight", ops::LayerNorm{-2}, {{{4, 3, 5}}, {{3, 5}}}});
  cases.push_back(
      {"layer_norm (40, 1003)",
       ops::LayerNorm{1},
       {{{40, 1003}, 100, 101, DType::f32, false, false}, {{1003}, -1, 1, DType::f32, false, false}}});

  cases.push_back({"local_response_norm", ops::LocalResponseNorm{5, 0.5, 0.75, 1}, {{{2, 7, 3, 3}, -2, 2}}});
  cases.push_back(
      {"local_response_norm of 2", ops::LocalResponseNorm{2, 0.3, 0.6, 2}, {{{2, 5, 70}, -2, 2}}});
  cases.push_back({"local_response_norm of 9", ops::LocalResponseNorm{9, 1, 1.5, 1}, {{{3, 4}, -2, 2}}});
  cases.push_back({"local_response_norm (4, 96, 333)",
                   ops::LocalResponseNorm{},
                   {{{4, 96, 333}, -2, 2, DType::f32, false, false}}});

  cases.push_back({"einsum matrices", ops::Einsum{"ij,jk->ik"}, {{{70, 33}}, {{33, 50}}}});
  cases.push_back({"einsum of three", ops::Einsum{"bij,jk,k->bi"}, {{{2, 3, 4}}, {{4, 5}}, {{5}}}});
  return cases;
}

}  // namespace pleat::test
