#pragma once

#include <vector>

#include "executor/executor.hpp"
#include "graph/graph_data.hpp"

namespace pleat::test {

/// A graph's outputs for those inputs, which are converted to what it takes.
inline std::vector<Tensor> run_graph(const GraphData& graph, std::vector<Tensor> inputs) {
  std::vector<Shape> shapes;
  std::vector<const void*> in;
  for (size_t i = 0; i < inputs.size(); ++i) {
    inputs[i] = inputs[i].to(graph.value(graph.inputs[i]).type.dtype);
    shapes.push_back(inputs[i].shape());
    in.push_back(inputs[i].raw());
  }
  Executor executor(make_plan(graph, shapes));
  std::vector<Tensor> outputs;
  std::vector<void*> out;
  for (int id : executor.plan().outputs) {
    const ValueType& type = executor.plan().buffers[static_cast<size_t>(id)].type;
    outputs.emplace_back(type.shape, type.dtype);
    out.push_back(outputs.back().raw());
  }
  executor.run(in, out);
  return outputs;
}

}  // namespace pleat::test
