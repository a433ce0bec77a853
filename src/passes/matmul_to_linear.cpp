// matmul_to_linear: a product with a constant matrix is a linear layer, which can take a bias.
//   Before: y = matmul(x, B), B (in, out) constant
//   After:  y = linear(x, B^T)

#include "graph/edit.hpp"
#include "ops/evaluate.hpp"
#include "passes/affine.hpp"
#include "passes/pass.hpp"

namespace pleat {
namespace {

void run(GraphData& graph, PassContext&) {
  for (Node& node : graph.nodes) {
    if (!std::holds_alternative<ops::MatMul>(node.attributes) || !is_constant(graph, node.inputs[1]))
      continue;
    const ValueInfo& matrix = graph.value(node.inputs[1]);
    if (matrix.type.shape.rank() != 2 || matrix.data.numel() == 0 ||
        graph.value(node.inputs[0]).type.shape.rank() < 2) {
      continue;
    }
    const Tensor transposed = evaluate(ops::Transpose{}, {&matrix.data})[0];
    const ValueId weight = add_constant(graph, matrix.name + ".transposed", transposed);
    node.attributes = ops::Linear{};
    node.inputs = {node.inputs[0], weight, kAbsent, kAbsent};
  }
}

}  // namespace

const Pass kMatmulToLinear = {"matmul_to_linear", run};

}  // namespace pleat
