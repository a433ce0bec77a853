#include "api/run_graph.hpp"

namespace pleat {

std::vector<Tensor> GraphRunner::run(const std::vector<Tensor>& inputs) {
  std::vector<Tensor> fed;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const bool widen = i < graph_.inputs.size() && inputs[i].dtype() == DType::f32 &&
                       graph_.value(graph_.inputs[i]).type.dtype == DType::f64;
    fed.push_back(widen ? inputs[i].to(DType::f64) : inputs[i]);
  }
  Executor& executor = executors_.get(graph_, fed);
  std::vector<const void*> in;
  for (const Tensor& tensor : fed) in.push_back(tensor.raw());
  std::vector<Tensor> outputs;
  std::vector<void*> out;
  for (const ValueType& type : executor.plan().output_types) {
    out.push_back(outputs.emplace_back(type.shape, type.dtype).raw());
  }
  executor.run(in, out);
  return outputs;
}

}  // namespace pleat
