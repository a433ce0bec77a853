// equal_sums: a sum that broadcasts nothing is an Add, which other steps can take in.
//   Before: y = binary add(a, b), a and b of one shape whatever the sizes that are not known yet
//   After:  y = add(a, b)

#include "graph/edit.hpp"
#include "passes/pass.hpp"

namespace pleat {
namespace {

// The graph with a size of its own for each dynamic dimension of its inputs, so that shapes which are equal
// come of the same dimensions. As given where the sizes do not go through it.
GraphData with_distinct_sizes(const GraphData& graph) {
  constexpr int64_t kFirst = 1009;
  GraphData sized = graph;
  int64_t next = kFirst;
  for (ValueId input : sized.inputs) {
    for (int d = 0; d < sized.value(input).type.shape.rank(); ++d) {
      int64_t& size = sized.value(input).type.shape[d];
      if (size == kDynamic) size = (next += 2);
    }
  }
  try {
    infer_all(sized);
  } catch (const Error&) {
    return graph;
  }
  return sized;
}

void run(GraphData& graph, PassContext&) {
  std::vector<NodeId> sums;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto* binary = std::get_if<ops::Binary>(&graph.nodes[i].attributes);
    if (binary != nullptr && binary->kind == ops::BinaryKind::add &&
        graph.value(graph.nodes[i].outputs[0]).type.dtype == DType::f32)
      sums.push_back(static_cast<NodeId>(i));
  }
  if (sums.empty()) return;
  const GraphData sized = with_distinct_sizes(graph);
  for (NodeId id : sums) {
    Node& node = graph.node(id);
    const Shape &a = sized.value(node.inputs[0]).type.shape, &b = sized.value(node.inputs[1]).type.shape;
    if (a == b && a.is_static()) node.attributes = ops::Add{};
  }
}

}  // namespace

const Pass kEqualSums = {"equal_sums", run};

}  // namespace pleat
