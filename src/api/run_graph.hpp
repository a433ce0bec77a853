#pragma once

#include <vector>

#include "api/model_impl.hpp"

namespace pleat {

/// A graph with its executors, run on tensors: f32 inputs of a graph in double are widened.
class GraphRunner {
 public:
  explicit GraphRunner(GraphData graph) : graph_(std::move(graph)) {}
  std::vector<Tensor> run(const std::vector<Tensor>& inputs);

 private:
  GraphData graph_;
  ExecutorCache executors_;
};

}  // namespace pleat
