#pragma once

#include <vector>

#include "graph/edit.hpp"
#include "passes/differentiate.hpp"
#include "passes/pipeline.hpp"
#include "pleat/model.hpp"

namespace pleat::test {

/// A network's training graph, and its parameters' gradients by the sum of its output.
struct TrainedGraph {
  GraphData graph;
  NodeId first_backward = 0;

  explicit TrainedGraph(const Graph& layers) {
    const Model model(layers);
    PassContext context;
    graph = training_graph(model.graph().ir(), context);
    std::vector<ValueId> parameters;
    for (ValueId id = 0; id < static_cast<ValueId>(graph.values.size()); ++id) {
      if (graph.value(id).kind == ValueKind::parameter) parameters.push_back(id);
    }
    first_backward = static_cast<NodeId>(graph.nodes.size());
    const ValueId loss = graph.outputs[0];
    const ValueId one = add_node(graph, "one", ops::Fill{1}, {loss})[0];
    graph.outputs = differentiate(graph, {{loss, one}}, parameters);
    graph.output_names.resize(graph.outputs.size());
  }
};

}  // namespace pleat::test
