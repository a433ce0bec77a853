#pragma once

#include <algorithm>
#include <cmath>
#include <deque>
#include <vector>

#include "ops/context.hpp"
#include "ops/known.hpp"

namespace pleat::test {

/// One op by itself, with the active kernels of T, on tensors of T (and i64); null: an absent input. Inputs
/// that the op mutates change. Outputs start as NaN.
template <class T>
class OpRunner {
 public:
  OpRunner(const ops::Attributes& attributes, const std::vector<Tensor*>& inputs)
      : attributes_(attributes), op_(definition(attributes)) {
    InputTypes types;
    for (Tensor* tensor : inputs) {
      types.push_back(
          tensor ? &types_.emplace_back(ValueType{tensor->dtype(), tensor->shape(), known_value(*tensor)})
                 : nullptr);
      in_.push_back({tensor ? tensor->raw() : nullptr, types.back()});
    }
    for (const ValueType& type : op_.infer(attributes_, types)) {
      Tensor& tensor = outputs_.emplace_back(type.shape, type.dtype);
      if (type.dtype == dtype_of<T>()) std::ranges::fill(tensor.template span<T>(), T(NAN));
      out_.push_back({tensor.raw(), &types_.emplace_back(type)});
    }
    const Workspace need = op_.workspace ? op_.workspace(attributes_, types, dtype_of<T>()) : Workspace{};
    worker_stride_ = (need.per_worker + 63) / 64 * 64;
    shared_ = bytes(need.shared);
    workers_ = bytes(worker_stride_ * static_cast<size_t>(max_workers()));
  }
  OpRunner(const OpRunner&) = delete;

  void run() {
    RunArguments arguments{};
    arguments.inputs = in_.data();
    arguments.input_count = static_cast<int>(in_.size());
    arguments.outputs = out_.data();
    arguments.workspace = shared_.raw();
    arguments.worker_workspace = static_cast<std::byte*>(workers_.raw());
    arguments.worker_stride = worker_stride_;
    arguments.kernels = &kernels::active_table<T>();
    (sizeof(T) == sizeof(float) ? op_.run_f32 : op_.run_f64)(attributes_, arguments);
  }
  std::vector<Tensor>& outputs() { return outputs_; }

 private:
  static Tensor bytes(size_t size) { return Tensor({static_cast<int64_t>(size / sizeof(float) + 1)}); }

  ops::Attributes attributes_;
  const OpDef& op_;
  std::deque<ValueType> types_;
  std::vector<TensorRef> in_, out_;
  std::vector<Tensor> outputs_;
  size_t worker_stride_ = 0;
  Tensor shared_, workers_;
};

/// Runs the op once; its outputs.
template <class T>
std::vector<Tensor> run_op(const ops::Attributes& attributes, const std::vector<Tensor*>& inputs) {
  OpRunner<T> runner(attributes, inputs);
  runner.run();
  return runner.outputs();
}

}  // namespace pleat::test
