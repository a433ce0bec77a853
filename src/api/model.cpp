#include "pleat/model.hpp"

#include <algorithm>
#include <cstring>

#include "api/model_impl.hpp"
#include "base/format.hpp"
#include "executor/profiler.hpp"
#include "graph/edit.hpp"
#include "graph/known.hpp"
#include "passes/pipeline.hpp"

namespace pleat {
namespace {

// Forgets the data of constants that are read only to be packed, whatever the batch: other ops than the
// packed_only ones read theirs as they are for a few rows.
void release_packed(GraphData& graph) {
  std::vector<bool> needed(graph.values.size());
  for (ValueId output : graph.outputs) needed[static_cast<size_t>(output)] = true;
  for (const Node& node : graph.nodes) {
    const bool packed_only = definition(node.attributes).packed_only;
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (node.inputs[i] != kAbsent && !(packed_only && i == kPackedInput)) {
        needed[static_cast<size_t>(node.inputs[i])] = true;
      }
    }
  }
  for (size_t i = 0; i < graph.values.size(); ++i) {
    if (graph.values[i].kind == ValueKind::constant && !needed[i]) graph.values[i].data = Tensor();
  }
}

}  // namespace

bool ExecutorCache::Entry::fits(std::span<const Tensor> inputs) const {
  if (inputs.size() != shapes.size()) return false;
  for (size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i].shape() != shapes[i]) return false;
    if (values[i].defined() && std::memcmp(inputs[i].raw(), values[i].raw(), values[i].bytes()) != 0)
      return false;
  }
  return true;
}

Executor* ExecutorCache::find(std::span<const Tensor> inputs) {
  const auto it =
      std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) { return entry.fits(inputs); });
  if (it == entries_.end()) return nullptr;
  std::rotate(it, it + 1, entries_.end());
  return &entries_.back().executor;
}

Executor& ExecutorCache::make(const GraphData& graph, std::span<const Tensor> inputs,
                              FunctionRef<void()> planned) {
  if (entries_.size() == kMost) entries_.erase(entries_.begin());
  const std::vector<bool> shaping = inputs_that_shape(graph);
  std::vector<Shape> shapes;
  std::vector<Tensor> values;
  for (size_t i = 0; i < inputs.size(); ++i) {
    shapes.push_back(inputs[i].shape());
    values.push_back(i < shaping.size() && shaping[i] ? inputs[i].clone() : Tensor());
  }
  Plan plan = make_batch_plan(graph, shapes, values);
  planned();
  Executor executor(std::move(plan));
  entries_.push_back({std::move(shapes), std::move(values), std::move(executor)});
  return entries_.back().executor;
}

Executor& ExecutorCache::get(const GraphData& graph, std::span<const Tensor> inputs) {
  Executor* const known = find(inputs);
  return known != nullptr ? *known : make(graph, inputs, [] {});
}

Model::Impl::Impl(Graph made, ModelOptions given)
    : graph(std::move(made)), options(given), arena(given.threads) {
  GraphData& data = graph.ir();
  if (data.outputs.empty()) fail("a model's graph needs an output: Graph::output was never called");
  initialize(data, options.seed);
  verify(data, "building");
  for (const ValueInfo& value : data.values) {
    if (value.data.defined()) weights.push_back(value.data);
  }
}

uint64_t Model::Impl::weights_version() const {
  uint64_t sum = 0;
  for (const Tensor& weight : weights) sum += weight.version();
  return sum;
}

void Model::Impl::changed() {
  ++revision;
  training_form.reset();
  inference_form.reset();
}

PreparedGraph& Model::Impl::prepared() {
  if (!training) return prepared_inference();
  if (!training_form) {
    PassContext context{.seed = options.seed, .precise = options.precise};
    training_form.emplace(PreparedGraph{.graph = training_graph(graph.ir(), context)});
  }
  return *training_form;
}

PreparedGraph& Model::Impl::prepared_inference() {
  const uint64_t version = weights_version();
  if (!inference_form || inference_form->weights_version != version) {
    PreparedGraph form{.graph = {}, .weights_version = version};
    prepare(form);
    inference_form = std::move(form);
  }
  return *inference_form;
}

void Model::Impl::prepare(PreparedGraph& form) const {
  PassContext context{.precise = options.precise};
  form.graph = pleat::inference_graph(graph.ir(), fold, context);
  form.report = std::move(context.report);
}

Executor& Model::Impl::executor_for(std::span<const Tensor> inputs) {
  PreparedGraph& form = prepared();
  if (Executor* known = form.executors.find(inputs)) return *known;
  if (form.released) prepare(form);
  form.released = !training;
  return form.executors.make(form.graph, inputs, [&] {
    if (form.released) release_packed(form.graph);
  });
}

ValueInfo& Model::Impl::named(std::string_view name) {
  for (ValueInfo& value : graph.ir().values) {
    if (value.name == name && value.data.defined()) return value;
  }
  fail("the model has no parameter '", name, "'");
}

Model::Model(Graph graph, ModelOptions options) : impl_(std::make_unique<Impl>(std::move(graph), options)) {}
Model::Model(Model&&) noexcept = default;
Model& Model::operator=(Model&&) noexcept = default;
Model::~Model() = default;

Model& Model::train(bool on) {
  impl_->training = on;
  return *this;
}

bool Model::training() const {
  return impl_->training;
}

Model& Model::set_fold(bool on) {
  if (impl_->fold != on) impl_->inference_form.reset();
  impl_->fold = on;
  return *this;
}

Tensor Model::operator()(const Tensor& input) {
  std::vector<Tensor> outputs = run(std::vector<Tensor>{input});
  if (outputs.size() != 1) fail("the model has ", outputs.size(), " outputs: use run()");
  return outputs[0];
}

std::vector<Tensor> Model::Impl::make_outputs(std::span<const Tensor> inputs) {
  const Plan& plan = executor_for(inputs).plan();
  std::vector<Tensor> outputs;
  for (const ValueType& type : plan.output_types) outputs.emplace_back(type.shape, type.dtype);
  return outputs;
}

Executor& Model::Impl::bind(std::span<const Tensor> inputs, std::span<Tensor> outputs) {
  const GraphData& data = graph.ir();
  for (size_t i = 0; i < std::min(inputs.size(), data.inputs.size()); ++i) {
    const ValueInfo& wanted = data.value(data.inputs[i]);
    if (inputs[i].dtype() != wanted.type.dtype) {
      fail("input ", wanted.name, " must hold ", name_of(wanted.type.dtype), ", got ",
           name_of(inputs[i].dtype()));
    }
  }
  Executor& executor = executor_for(inputs);
  const Plan& plan = executor.plan();
  if (outputs.size() != plan.outputs.size()) {
    fail("the model has ", plan.outputs.size(), " output(s), got room for ", outputs.size());
  }
  input_data.clear();
  output_data.clear();
  for (const Tensor& input : inputs) input_data.push_back(input.raw());
  for (size_t i = 0; i < outputs.size(); ++i) {
    const ValueType& type = plan.output_types[i];
    if (!outputs[i].defined() || outputs[i].shape() != type.shape || outputs[i].dtype() != type.dtype) {
      fail("output ", data.output_names[i], " is ", type.shape.str(), ", got room for ",
           outputs[i].shape().str());
    }
    output_data.push_back(outputs[i].raw());
  }
  return executor;
}

std::vector<Tensor> Model::run(const std::vector<Tensor>& inputs) {
  std::vector<Tensor> outputs;
  impl_->arena.execute([&] { outputs = impl_->make_outputs(inputs); });
  run(inputs, outputs);
  return outputs;
}

void Model::run(std::span<const Tensor> inputs, std::span<Tensor> outputs) {
  Impl& impl = *impl_;
  impl.arena.execute([&] { impl.bind(inputs, outputs).run(impl.input_data, impl.output_data); });
}

Profile Model::profile(const std::vector<Tensor>& inputs, int runs) {
  Impl& impl = *impl_;
  Profile profile;
  impl.arena.execute([&] {
    std::vector<Tensor> outputs = impl.make_outputs(inputs);
    Executor& executor = impl.bind(inputs, outputs);
    Profiler profiler(executor.plan(), runs);
    for (int i = 0; i < runs; ++i) executor.run(impl.input_data, impl.output_data, &profiler);
    profile = profiler.profile();
  });
  return profile;
}

StateDict Model::state_dict() const {
  return impl_->state_dict();
}

StateDict Model::Impl::state_dict() const {
  StateDict state;
  for (const ValueInfo& value : graph.ir().values) {
    const bool weight =
        value.kind == ValueKind::parameter || (value.kind == ValueKind::state && value.in_state_dict);
    if (weight) state.emplace_back(value.name, value.data);
  }
  return state;
}

void Model::load_state_dict(const StateDict& state) {
  StateDict mine = state_dict();
  for (const auto& [name, tensor] : state) {
    const Tensor* target = find(mine, name);
    if (target == nullptr) fail("load_state_dict: the model has no '", name, "'");
    if (target->shape() != tensor.shape() || target->dtype() != tensor.dtype()) {
      fail("load_state_dict: ", name, " is ", name_of(target->dtype()), " ", target->shape().str(),
           " in the model, ", name_of(tensor.dtype()), " ", tensor.shape().str(), " in what was given");
    }
  }
  for (const auto& [name, tensor] : mine) {
    if (find(state, name) == nullptr) fail("load_state_dict: '", name, "' is missing from what was given");
  }
  for (auto& [name, tensor] : mine) {
    const Tensor& source = *find(state, name);
    if (!tensor.shares_storage(source)) std::memcpy(tensor.raw(), source.raw(), tensor.bytes());
  }
}

Tensor Model::parameter(std::string_view name) {
  return impl_->named(name).data;
}

void Model::freeze(std::string_view layer, bool on) {
  for (Node& node : impl_->graph.ir().nodes) {
    if (node.name != layer) continue;
    if (auto* batch_norm = std::get_if<ops::BatchNorm>(&node.attributes)) batch_norm->frozen = on;
    if (auto* dropout = std::get_if<ops::Dropout>(&node.attributes)) dropout->frozen = on;
    impl_->changed();
    return;
  }
  fail("the model has no layer '", layer, "'");
}

void Model::set_requires_grad(std::string_view parameter, bool on) {
  ValueInfo& value = impl_->named(parameter);
  if (value.kind != ValueKind::parameter)
    fail("'", parameter, "' is a running statistic: it has no gradient");
  value.requires_grad = on;
  impl_->changed();
}

const FoldReport& Model::fold_report() {
  return impl_->prepared_inference().report;
}

const Graph& Model::graph() const {
  return impl_->graph;
}

std::vector<LayerInfo> Model::layers(const std::vector<Shape>& input_shapes) {
  GraphData one = impl_->graph.ir();
  if (!input_shapes.empty() && input_shapes.size() != one.inputs.size()) {
    fail("the model has ", one.inputs.size(), " input(s), got ", input_shapes.size(), " shapes");
  }
  for (size_t i = 0; i < one.inputs.size(); ++i) {
    Shape& shape = one.value(one.inputs[i]).type.shape;
    if (!input_shapes.empty()) shape = input_shapes[i];
    if (shape.rank() > 0 && shape[0] == kDynamic) shape[0] = 1;
  }
  infer_all(one);
  const FoldReport& report = fold_report();
  std::vector<LayerInfo> layers;
  for (const Node& node : one.nodes) {
    const OpDef& op = definition(node.attributes);
    LayerInfo info{node.name, std::string(op.name), one.value(node.outputs[0]).type.shape, 0, 0, ""};
    InputTypes types;
    for (ValueId input : node.inputs) {
      types.push_back(input == kAbsent ? nullptr : &one.value(input).type);
      if (input != kAbsent && one.value(input).kind == ValueKind::parameter) {
        info.parameters += one.value(input).type.shape.numel();
      }
    }
    if (op.multiply_adds != nullptr && info.output.is_static())
      info.multiply_adds = op.multiply_adds(node.attributes, types);
    for (const FoldEntry& entry : report.entries) {
      if (entry.layer == node.name) info.folded = entry.folded ? "into " + entry.target : entry.reason;
    }
    layers.push_back(std::move(info));
  }
  return layers;
}

int FoldReport::folded(FoldKind kind) const {
  return static_cast<int>(std::count_if(entries.begin(), entries.end(),
                                        [&](const FoldEntry& e) { return e.kind == kind && e.folded; }));
}

int FoldReport::left(FoldKind kind) const {
  return static_cast<int>(std::count_if(entries.begin(), entries.end(),
                                        [&](const FoldEntry& e) { return e.kind == kind && !e.folded; }));
}

}  // namespace pleat
