#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>

#include "api/labels.hpp"
#include "api/model_impl.hpp"
#include "api/not_finite.hpp"
#include "api/training_graph.hpp"
#include "api/weight_average.hpp"
#include "base/format.hpp"
#include "executor/profiler.hpp"
#include "pleat/train.hpp"

namespace pleat {
namespace {

void check(const Optimizer& optimizer) {
  const auto need = [](bool holds, const auto&... text) {
    if (!holds) fail("optimizer: ", text...);
  };
  const auto not_negative = [&](std::string_view name, double value) {
    need(value >= 0 && std::isfinite(value), name, " must not be negative, got ", value);
  };
  not_negative("clip_grad_norm", optimizer.clip_grad_norm);
  need(optimizer.micro_batch_size >= 0, "micro_batch_size must not be negative, got ",
       optimizer.micro_batch_size);
  need(optimizer.ema_decay >= 0 && optimizer.ema_decay < 1, "ema_decay must be in [0, 1), got ",
       optimizer.ema_decay);
  std::visit(
      [&]<class Method>(const Method& method) {
        not_negative("lr", method.lr);
        not_negative("weight_decay", method.weight_decay);
        if constexpr (std::is_same_v<Method, SGD>) {
          not_negative("momentum", method.momentum);
          need(!method.nesterov || method.momentum > 0, "nesterov needs a momentum");
        } else {
          not_negative("eps", method.eps);
          need(method.beta1 >= 0 && method.beta1 < 1, "beta1 must be in [0, 1), got ", method.beta1);
          need(method.beta2 >= 0 && method.beta2 < 1, "beta2 must be in [0, 1), got ", method.beta2);
        }
      },
      optimizer.method);
}

double learning_rate(const Optimizer& optimizer) {
  return std::visit([](const auto& method) { return method.lr; }, optimizer.method);
}

/// ", and item 3 of the input holds nan" where that is so.
std::string fault_in(std::string_view what, const Tensor& tensor) {
  if (tensor.dtype() != DType::f32) return "";
  const auto fault = find_not_finite(tensor);
  if (!fault) return "";
  return concat(", and item ", fault->item, " of the batch's ", what, " holds ", fault->value);
}

}  // namespace

struct Trainer::Impl {
  Impl(Model::Impl& trained, Loss loss_kind, Optimizer method)
      : model(trained), loss(loss_kind), optimizer(std::move(method)) {
    check(optimizer);
    const GraphData& graph = model.graph.ir();
    if (graph.inputs.size() != 1 || graph.outputs.size() != 1) {
      fail("training needs a network of one input and one output, got ", graph.inputs.size(), " and ",
           graph.outputs.size());
    }
    build();
  }

  struct MicroBatches {
    int64_t first = 0, count = 0, items = 0;
    Executor* executor = nullptr;
  };

  bool accumulates() const { return optimizer.micro_batch_size > 0; }

  // Makes `training`: again where a layer was frozen or released.
  void build();
  void check_batch(const Tensor& input, const Tensor& target) const;
  /// Checks the batch and has an executor for it.
  void prepare(const Tensor& input, const Tensor& target);
  PlannedMemory planned_memory(const Shape& input, const Shape& target);
  void prepare_micro_batches(const Tensor& input, const Tensor& target);
  /// Equal ones, then one of what is left: alone it joins the one before, as BatchNorm cannot train on it.
  std::array<MicroBatches, 2> micro_batches(int64_t items) const;
  void run_batch(const Tensor& input, const Tensor& target, Profiler* profiler);
  void run_micro_batches(const Tensor& input, const Tensor& target);
  double step(const Tensor& input, const Tensor& target, double lr_factor, Profiler* profiler);
  [[noreturn]] void fail_step(const Tensor& input, const Tensor& target) const;

  Model::Impl& model;
  Loss loss;
  Optimizer optimizer;
  uint64_t revision = 0;  // of the model's graph, when this one was made
  TrainingGraph training;
  StateDict buffers;           // by their names in state_dict
  std::vector<Tensor> before;  // values of training.changing before the step: put back where it fails
  std::optional<WeightAverage> average;

  std::array<MicroBatches, 2> batches;
  ExecutorCache last_executors, update_executors;
  Executor* update_executor = nullptr;

  ExecutorCache executors;
  Executor* executor = nullptr;  // for the shapes below
  Shape input_shape, target_shape;
  int64_t steps = 0, next_step = 1;
  float rate_now = 0, loss_now = 0;
  float clip_now[2] = {0, 1};
};

void Trainer::Impl::build() {
  PassContext context{.seed = model.options.seed, .precise = model.options.precise};
  training = make_training_graph(model.graph.ir(), context, loss, optimizer, buffers);
  revision = model.revision;
  for (ExecutorCache* cache : {&executors, &last_executors, &update_executors}) cache->clear();
  executor = nullptr;
  before.clear();
  for (const Tensor& tensor : training.changing) before.push_back(tensor.clone());
  if (optimizer.ema_decay > 0) {
    average.emplace(optimizer.ema_decay, model.state_dict(), kOptimizerPrefix, buffers);
  }
}

void Trainer::Impl::check_batch(const Tensor& input, const Tensor& given) const {
  const auto need = [](std::string_view what, const Tensor& tensor, DType dtype) {
    if (!tensor.defined() || tensor.dtype() != dtype) {
      fail("training: the ", what, " must hold ", name_of(dtype),
           tensor.defined() ? concat(", got ", name_of(tensor.dtype())) : ", got none");
    }
  };
  const GraphData& graph = training.graph;
  need("input", input, graph.value(graph.inputs[0]).type.dtype);
  need("target", given, graph.value(training.target).type.dtype);
  if (input.numel() == 0) fail("training: the batch is empty");
  if (loss.kind == LossKind::cross_entropy) {
    check_labels("training", given, graph.value(model.graph.ir().outputs[0]).type.shape[1]);
  }
}

void Trainer::Impl::prepare(const Tensor& input, const Tensor& given) {
  if (revision != model.revision) build();
  check_batch(input, given);
  if (executor != nullptr && input.shape() == input_shape && given.shape() == target_shape) return;
  executor = nullptr;
  if (accumulates()) {
    prepare_micro_batches(input, given);
  } else {
    std::vector<Tensor> inputs = {input, given, Tensor(Shape{})};
    if (training.counts_steps) inputs.push_back(Tensor(Shape{}, DType::i64));
    model.arena.execute([&] { executor = &executors.get(training.graph, inputs); });
  }
  input_shape = input.shape();
  target_shape = given.shape();
}

PlannedMemory Trainer::Impl::planned_memory(const Shape& input, const Shape& given) {
  if (revision != model.revision) build();
  std::vector<Shape> shapes(training.graph.inputs.size());  // of the rate and the step's number
  shapes[0] = input;
  shapes[1] = given;
  if (accumulates() && input.rank() > 0 && given.rank() > 0) {  // the largest micro-batch
    int64_t most = 0;
    for (const MicroBatches& batches : micro_batches(input[0])) {
      if (batches.count > 0) most = std::max(most, batches.items);
    }
    shapes[0][0] = shapes[1][0] = most;
  }
  const auto bytes = [](const StateDict& state) {
    size_t sum = 0;
    for (const auto& [name, tensor] : state) sum += tensor.bytes();
    return sum;
  };
  size_t parameter_bytes = 0;
  for (const ValueInfo& value : model.graph.ir().values) {
    const bool kept =
        value.kind == ValueKind::parameter || (value.kind == ValueKind::state && value.in_state_dict);
    if (kept) parameter_bytes += value.data.bytes();
  }
  size_t optimizer_bytes = bytes(buffers) + bytes(training.counters), workers = 1;
  for (const std::vector<Tensor>* tensors : {&before, &training.sums}) {
    for (const Tensor& tensor : *tensors) optimizer_bytes += tensor.bytes();
  }
  model.arena.execute([&] { workers = static_cast<size_t>(max_workers()); });
  const Plan plan = make_batch_plan(training.graph, shapes);
  return {.parameters = static_cast<int64_t>(parameter_bytes),
          .optimizer = static_cast<int64_t>(optimizer_bytes),
          .activations = static_cast<int64_t>(plan.arena_bytes),
          .workspace = static_cast<int64_t>(plan.packed_bytes + plan.worker_bytes * workers)};
}

std::array<Trainer::Impl::MicroBatches, 2> Trainer::Impl::micro_batches(int64_t n) const {
  const int64_t size = std::min(optimizer.micro_batch_size, n), rest = n % size;
  const int64_t count = n / size - (rest == 1 ? 1 : 0);
  return {{{.first = 0, .count = count, .items = size},
           {.first = count * size, .count = rest > 0 ? 1 : 0, .items = n - count * size}}};
}

void Trainer::Impl::prepare_micro_batches(const Tensor& input, const Tensor& given) {
  const int64_t n = input.shape()[0];
  if (given.shape().rank() == 0 || given.shape()[0] != n) {
    fail("training: the input ", input.shape().str(), " needs a target for each of ", n, " items, got ",
         given.shape().str());
  }
  batches = micro_batches(n);
  const auto with_items = [](const Tensor& all, int64_t items) {
    Shape shape = all.shape();
    shape[0] = items;
    return Tensor(shape, all.dtype());
  };
  const auto plan = [&](MicroBatches& part, ExecutorCache& cache) {
    if (part.count == 0) return;
    const std::vector<Tensor> inputs = {with_items(input, part.items), with_items(given, part.items),
                                        Tensor(Shape{})};
    part.executor = &cache.get(training.graph, inputs);
  };
  std::vector<Tensor> scalars = {Tensor(Shape{}), Tensor(Shape{})};
  if (training.counts_steps) scalars.push_back(Tensor(Shape{}, DType::i64));
  model.arena.execute([&] {
    plan(batches[0], executors);
    plan(batches[1], last_executors);
    update_executor = &update_executors.get(training.updates, scalars);
  });
  executor = update_executor;  // all are there
}

void Trainer::Impl::run_batch(const Tensor& input, const Tensor& given, Profiler* profiler) {
  const void* inputs[] = {input.raw(), given.raw(), &rate_now, &next_step};
  void* outputs[] = {&loss_now, clip_now};
  executor->run({inputs, training.graph.inputs.size()}, {outputs, training.graph.outputs.size()}, profiler);
}

void Trainer::Impl::run_micro_batches(const Tensor& input, const Tensor& given) {
  for (Tensor& sum : training.sums) std::memset(sum.raw(), 0, sum.bytes());
  const int64_t n = input.shape()[0];
  const auto* x = static_cast<const std::byte*>(input.raw());
  const auto* t = static_cast<const std::byte*>(given.raw());
  const size_t x_item = input.bytes() / static_cast<size_t>(n),
               t_item = given.bytes() / static_cast<size_t>(n);
  double loss_sum = 0;
  for (const MicroBatches& part : batches) {
    const double share = static_cast<double>(part.items) / static_cast<double>(n);
    for (int64_t i = 0; i < part.count; ++i) {
      const auto item = static_cast<size_t>(part.first + i * part.items);
      const auto minus_share = static_cast<float>(-share);
      float loss_here = 0;
      const void* inputs[] = {x + item * x_item, t + item * t_item, &minus_share};
      void* outputs[] = {&loss_here};
      part.executor->run(inputs, outputs);
      loss_sum += share * static_cast<double>(loss_here);
    }
  }
  loss_now = static_cast<float>(loss_sum);
  const void* inputs[] = {&loss_now, &rate_now, &next_step};
  void* outputs[] = {clip_now};
  update_executor->run({inputs, training.updates.inputs.size()}, {outputs, training.updates.outputs.size()});
}

double Trainer::Impl::step(const Tensor& input, const Tensor& given, double lr_factor, Profiler* profiler) {
  prepare(input, given);
  rate_now = static_cast<float>(learning_rate(optimizer) * lr_factor);
  next_step = steps + 1;
  std::vector<Tensor>& changing = training.changing;
  for (size_t i = 0; i < changing.size(); ++i) {
    std::memcpy(before[i].raw(), std::as_const(changing[i]).raw(), before[i].bytes());
  }
  model.arena.execute([&] {
    if (accumulates()) {
      run_micro_batches(input, given);
    } else {
      run_batch(input, given, profiler);
    }
  });
  if (!std::isfinite(loss_now) || !std::isfinite(clip_now[0])) {
    for (size_t i = 0; i < changing.size(); ++i) {
      std::memcpy(changing[i].raw(), std::as_const(before[i]).raw(), before[i].bytes());
    }
    fail_step(input, given);
  }
  if (average) model.arena.execute([&] { average->update(/*first=*/steps == 0); });
  ++steps;
  return static_cast<double>(loss_now);
}

void Trainer::Impl::fail_step(const Tensor& input, const Tensor& given) const {
  const bool bad_loss = !std::isfinite(loss_now);
  fail(
      "training: the ", bad_loss ? "loss" : "gradients' norm", " is ", bad_loss ? loss_now : clip_now[0],
      " at step ", next_step, " (lr ", rate_now, ")", fault_in("input", input), fault_in("target", given),
      ". Likely causes: values in the data that are not finite or not normalized, or a learning rate that is "
      "too high. The weights are those from before the step.");
}

Trainer::Trainer(Model& model, Loss loss, Optimizer optimizer)
    : impl_(std::make_unique<Impl>(model.impl(), loss, std::move(optimizer))) {}
Trainer::Trainer(Trainer&&) noexcept = default;
Trainer::~Trainer() = default;

double Trainer::step(const Tensor& input, const Tensor& target, double lr_factor) {
  return impl_->step(input, target, lr_factor, /*profiler=*/nullptr);
}

Profile Trainer::profile(const Tensor& input, const Tensor& target, int runs) {
  if (impl_->accumulates()) fail("training: a step of micro-batches cannot be profiled");
  impl_->prepare(input, target);
  Profiler profiler(impl_->executor->plan(), runs);
  for (int i = 0; i < runs; ++i) impl_->step(input, target, /*lr_factor=*/1, &profiler);
  return profiler.profile();
}

PlannedMemory Trainer::planned_memory(const Shape& input, const Shape& target) {
  return impl_->planned_memory(input, target);
}

int64_t Trainer::steps() const {
  return impl_->steps;
}

StateDict Trainer::averaged_state_dict() const {
  if (!impl_->average) fail("trainer: there are no averaged weights: the optimizer has no ema_decay");
  if (impl_->steps == 0) fail("trainer: there are no averaged weights before the first step");
  return impl_->average->state_dict();
}

StateDict Trainer::state_dict() const {
  StateDict state = impl_->buffers;
  state.insert(state.end(), impl_->training.counters.begin(), impl_->training.counters.end());
  state.emplace_back(concat(kOptimizerPrefix, "step"), Tensor::from<int64_t>(Shape{}, {impl_->steps}));
  return state;
}

void Trainer::load_state_dict(const StateDict& state) {
  const StateDict mine = state_dict();
  for (const auto& [name, tensor] : state) {
    const Tensor* wanted = find(mine, name);
    if (wanted == nullptr) fail("trainer: the optimizer has no '", name, "'");
    if (wanted->shape() != tensor.shape() || wanted->dtype() != tensor.dtype()) {
      fail("trainer: ", name, " is ", name_of(wanted->dtype()), " ", wanted->shape().str(), ", got ",
           name_of(tensor.dtype()), " ", tensor.shape().str());
    }
  }
  for (const auto& [name, tensor] : mine) {
    if (find(state, name) == nullptr) fail("trainer: '", name, "' is missing from what was given");
  }
  for (StateDict* part : {&impl_->buffers, &impl_->training.counters}) {
    for (auto& [name, tensor] : *part) {
      std::memcpy(tensor.raw(), find(state, name)->raw(), tensor.bytes());
    }
  }
  impl_->steps = *find(state, concat(kOptimizerPrefix, "step"))->data<int64_t>();
}

}  // namespace pleat
