#include "executor/executor.hpp"

#include <cstring>

#include "base/parallel.hpp"
#include "base/zeroed_memory.hpp"
#include "executor/packing.hpp"
#include "executor/profiler.hpp"
#include "kernels/kernel_table.hpp"
#include "ops/context.hpp"

namespace pleat {
struct Executor::Impl {
  explicit Impl(Plan made) : plan(std::move(made)), arena(plan.arena_bytes) {
    kernels = plan.compute == DType::f64 ? static_cast<const void*>(&kernels::active_table<double>())
                                         : static_cast<const void*>(&kernels::active_table<float>());
    const std::vector<int> packers = count_packers(plan);
    resolve(packers);
    reserve_workers(max_workers());
    packed_memory = pack_weights(plan, packers, [&](size_t step) { return &calls[step].arguments; });
  }

  void* address(const Buffer& buffer) {
    if (buffer.place == Place::arena) return arena.data() + buffer.offset;
    if (buffer.place == Place::persistent) return const_cast<void*>(std::as_const(buffer.tensor).raw());
    return nullptr;  // the caller's: known at each run
  }

  void resolve(const std::vector<int>& packers) {
    size_t count = 0;
    for (const Step& step : plan.steps) count += step.inputs.size() + step.outputs.size();
    operands.resize(count);
    TensorRef* next = operands.data();
    const auto resolve_list = [&](const std::vector<int>& ids) {
      const TensorRef* first = next;
      for (int id : ids) {
        if (id >= 0) {
          const Buffer& buffer = plan.buffers[static_cast<size_t>(id)];
          *next = {packers[static_cast<size_t>(id)] > 0 ? nullptr : address(buffer), &buffer.type};
          if (buffer.place == Place::input) input_places.push_back({next, &buffer});
          if (buffer.place == Place::output) output_places.push_back({next, &buffer});
        }
        ++next;
      }
      return first;
    };
    for (const auto& [from, to] : plan.copies) address(plan.buffers[static_cast<size_t>(from)]);  // read now
    for (const Step& step : plan.steps) {
      RunArguments arguments{};
      arguments.inputs = resolve_list(step.inputs);
      arguments.input_count = static_cast<int>(step.inputs.size());
      arguments.outputs = resolve_list(step.outputs);
      arguments.workspace = arena.data() + step.workspace_offset;
      arguments.kernels = kernels;
      calls.push_back(
          {plan.compute == DType::f64 ? step.op->run_f64 : step.op->run_f32, &step.attributes, arguments});
      if (step.op->mutated == nullptr) continue;
      for (int i : step.op->mutated(step.attributes)) {
        if (i >= static_cast<int>(step.inputs.size()) || step.inputs[static_cast<size_t>(i)] < 0) continue;
        const Buffer& changed = plan.buffers[static_cast<size_t>(step.inputs[static_cast<size_t>(i)])];
        if (changed.place == Place::persistent) changed_tensors.push_back(changed.tensor);
      }
    }
  }

  // Each worker has a piece of its own; a caller's arena may be larger than the one seen before.
  void reserve_workers(int workers) {
    if (workers <= worker_count) return;
    worker_count = workers;
    const size_t stride = whole_lines(plan.worker_bytes);
    worker_memory = ZeroedMemory(stride * static_cast<size_t>(workers));
    for (Call& call : calls) {
      call.arguments.worker_workspace = worker_memory.data();
      call.arguments.worker_stride = stride;
    }
  }

  void run_step(int i, Profiler* profiler) {
    const Call& call = calls[static_cast<size_t>(i)];
    if (profiler != nullptr) profiler->step_begins(i);
    call.run(*call.attributes, call.arguments);
    if (profiler != nullptr) profiler->step_ends(i);
  }

  // Steps of one stage run side by side where they are worth a task; each cuts its own work further.
  void run_stage(const Stage& stage, Profiler* profiler) {
    const int64_t count = stage.last - stage.first;
    if (count == 1 || stage.work < 2 * static_cast<double>(kTaskWork)) {
      for (int i = stage.first; i < stage.last; ++i) run_step(i, profiler);
      return;
    }
    parallel_for(count, /*grain=*/1, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) run_step(stage.first + static_cast<int>(i), profiler);
    });
  }

  // Of one piece: where the caller's data of that buffer is.
  template <class Data>
  Data* place_in(Data* data, const Buffer& buffer, int64_t piece) const {
    using Byte = std::conditional_t<std::is_const_v<Data>, const std::byte, std::byte>;
    return static_cast<Byte*>(data) + piece * static_cast<int64_t>(bytes_of(buffer.type));
  }

  void run_piece(int64_t piece, std::span<const void* const> inputs, std::span<void* const> outputs,
                 Profiler* profiler) {
    const auto input = [&](const Buffer& buffer) {
      return place_in(inputs[static_cast<size_t>(buffer.index)], buffer, piece);
    };
    const auto output = [&](const Buffer& buffer) {
      return place_in(outputs[static_cast<size_t>(buffer.index)], buffer, piece);
    };
    for (const auto& place : input_places) place.operand->data = const_cast<void*>(input(*place.buffer));
    for (const auto& place : output_places) place.operand->data = output(*place.buffer);
    for (const Stage& stage : plan.stages) run_stage(stage, profiler);
    for (const auto& [from, to] : plan.copies) {
      const Buffer &source = plan.buffers[static_cast<size_t>(from)],
                   &target = plan.buffers[static_cast<size_t>(to)];
      const void* data = source.place == Place::input    ? input(source)
                         : source.place == Place::output ? output(source)
                                                         : address(source);
      const size_t bytes = bytes_of(target.type);
      if (bytes > 0) std::memcpy(output(target), data, bytes);
    }
  }

  struct Call {
    void (*run)(const ops::Attributes&, const RunArguments&);
    const ops::Attributes* attributes;
    RunArguments arguments;
  };
  struct CallerPlace {
    TensorRef* operand;
    const Buffer* buffer;
  };

  Plan plan;
  ZeroedMemory arena, packed_memory, worker_memory;
  const void* kernels = nullptr;
  int worker_count = 0;
  std::vector<TensorRef> operands;
  std::vector<Call> calls;
  std::vector<CallerPlace> input_places, output_places;
  std::vector<Tensor> changed_tensors;
};

Executor::Executor(Plan plan) : impl_(std::make_unique<Impl>(std::move(plan))) {}
Executor::Executor(Executor&&) noexcept = default;
Executor& Executor::operator=(Executor&&) noexcept = default;
Executor::~Executor() = default;

const Plan& Executor::plan() const {
  return impl_->plan;
}

void Executor::run(std::span<const void* const> inputs, std::span<void* const> outputs, Profiler* profiler) {
  Impl& impl = *impl_;
  if (profiler != nullptr) profiler->run_begins();
  impl.reserve_workers(max_workers());
  for (int64_t piece = 0; piece < impl.plan.pieces; ++piece) impl.run_piece(piece, inputs, outputs, profiler);
  for (Tensor& tensor : impl.changed_tensors) tensor.raw();  // counts as a change: see Tensor::version
  if (profiler != nullptr) profiler->run_ends();
}

}  // namespace pleat
