#include "ops/evaluate.hpp"

#include <algorithm>
#include <deque>

#include "base/format.hpp"
#include "ops/context.hpp"
#include "ops/known.hpp"

namespace pleat {
namespace {

// Zeroed, 64-byte aligned bytes.
Tensor bytes(size_t count) {
  return Tensor({static_cast<int64_t>(count)}, DType::boolean);
}

void run(const OpDef& op, const ops::Attributes& attributes, const InputTypes& types,
         const std::vector<TensorRef>& in, const std::vector<TensorRef>& out, DType compute) {
  const Workspace need = op.workspace ? op.workspace(attributes, types, compute) : Workspace{};
  const size_t stride = whole_lines(need.per_worker);
  Tensor shared = bytes(need.shared), workers = bytes(stride * static_cast<size_t>(max_workers()));
  RunArguments arguments{};
  arguments.inputs = in.data();
  arguments.input_count = static_cast<int>(in.size());
  arguments.outputs = out.data();
  arguments.workspace = shared.raw();
  arguments.worker_workspace = static_cast<std::byte*>(workers.raw());
  arguments.worker_stride = stride;
  if (compute == DType::f64) {
    arguments.kernels = &kernels::active_table<double>();
    op.run_f64(attributes, arguments);
  } else {
    arguments.kernels = &kernels::active_table<float>();
    op.run_f32(attributes, arguments);
  }
}

}  // namespace

std::vector<Tensor> evaluate(const ops::Attributes& attributes, const std::vector<const Tensor*>& inputs,
                             int64_t most) {
  const OpDef& op = definition(attributes);
  if (op.mutated != nullptr) {
    for (int i : op.mutated(attributes)) {
      if (i < static_cast<int>(inputs.size()) && inputs[static_cast<size_t>(i)] != nullptr)
        fail(op.name, ": changes its inputs; constants cannot go through it");
    }
  }
  std::deque<ValueType> kept;
  InputTypes types;
  std::vector<TensorRef> in;
  DType compute = DType::f32;
  for (const Tensor* input : inputs) {
    if (input == nullptr) {
      types.push_back(nullptr);
      in.push_back({});
      continue;
    }
    if (input->dtype() == DType::f64) compute = DType::f64;
    types.push_back(&kept.emplace_back(ValueType{input->dtype(), input->shape(), known_value(*input)}));
    in.push_back({const_cast<void*>(input->raw()), types.back()});
  }
  const std::vector<ValueType> made = op.infer(attributes, types);
  for (const ValueType& type : made) {
    if (type.shape.numel() > most) {
      fail(op.name, ": its result ", type.shape.str(), " has more than ", most, " elements");
    }
  }
  if (op.is_view) return {inputs[0]->reshape(made[0].shape)};
  if (op.known != nullptr) return {op.known(attributes, types).values};
  std::vector<Tensor> outputs;
  std::vector<TensorRef> out;
  for (const ValueType& type : made) {
    if (type.dtype == DType::f64) compute = DType::f64;
    outputs.emplace_back(type.shape, type.dtype);
    out.push_back({outputs.back().raw(), &type});
  }
  // What makes no elements needs no workspace for them, whose size other dimensions tell.
  const bool empty =
      std::all_of(made.begin(), made.end(), [](const ValueType& type) { return type.shape.numel() == 0; });
  if (!empty) run(op, attributes, types, in, out, compute);
  return outputs;
}

}  // namespace pleat
