#pragma once

#include <algorithm>
#include <cmath>
#include <vector>

#include "ops/context.hpp"

namespace pleat::test {

/// Runs one op by itself, with the active kernels of T, on tensors of T (and i64); null: an absent input.
/// Inputs that the op mutates change. Outputs start as NaN.
template <class T>
std::vector<Tensor> run_op(const ops::Attributes& attributes, const std::vector<Tensor*>& inputs) {
  const OpDef& op = definition(attributes);
  std::vector<ValueType> types(inputs.size());
  InputTypes input_types(inputs.size());
  std::vector<TensorRef> in(inputs.size());
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i] == nullptr) continue;
    types[i] = {inputs[i]->dtype(), inputs[i]->shape()};
    input_types[i] = &types[i];
    in[i] = {inputs[i]->raw(), &types[i]};
  }
  const std::vector<ValueType> output_types = op.infer(attributes, input_types);
  std::vector<Tensor> outputs;
  std::vector<TensorRef> out;
  for (const ValueType& type : output_types) {
    Tensor& tensor = outputs.emplace_back(type.shape, type.dtype);
    if (type.dtype == dtype_of<T>()) std::ranges::fill(tensor.template span<T>(), T(NAN));
    out.push_back({tensor.raw(), &type});
  }
  const Workspace need = op.workspace ? op.workspace(attributes, input_types, dtype_of<T>()) : Workspace{};
  const size_t stride = (need.per_worker + 63) / 64 * 64;
  const auto floats = [](size_t bytes) { return Shape{static_cast<int64_t>(bytes / 4 + 1)}; };
  Tensor shared(floats(need.shared)), workers(floats(stride * static_cast<size_t>(max_workers())));
  RunArguments arguments{};
  arguments.inputs = in.data();
  arguments.input_count = static_cast<int>(in.size());
  arguments.outputs = out.data();
  arguments.workspace = shared.raw();
  arguments.worker_workspace = static_cast<std::byte*>(workers.raw());
  arguments.worker_stride = stride;
  arguments.kernels = &kernels::active_table<T>();
  (sizeof(T) == 4 ? op.run_f32 : op.run_f64)(attributes, arguments);
  return outputs;
}

}  // namespace pleat::test
