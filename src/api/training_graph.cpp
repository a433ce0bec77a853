#include "api/training_graph.hpp"

#include "base/format.hpp"
#include "graph/edit.hpp"
#include "passes/differentiate.hpp"
#include "passes/pipeline.hpp"
#include "passes/recompute.hpp"

namespace pleat {
namespace {

class Builder {
 public:
  Builder(const Loss& loss, const Optimizer& optimizer, StateDict& buffers)
      : loss_(loss), optimizer_(optimizer), buffers_(buffers) {}

  TrainingGraph run(const GraphData& network, PassContext& context);

 private:
  void collect_states();
  ValueId add_loss();
  /// The parameters that the loss depends on, and its gradients by them.
  void add_gradients();
  void add_updates(GraphData& to, const std::vector<ValueId>& parameters,
                   const std::vector<ValueId>& gradients);
  void add_update(GraphData& to, ValueId parameter, ValueId gradient);
  /// Adds share * gradient, and makes the graph of the updates from the sums.
  void accumulate();
  /// The optimizer's buffer of that name for a parameter; it is there already where the graph is made again.
  ValueId buffer(GraphData& to, ValueId parameter, std::string_view name);

  const Loss& loss_;
  const Optimizer& optimizer_;
  StateDict& buffers_;
  TrainingGraph made_;
  std::vector<ValueId> parameters_, gradients_;
  ValueId loss_value_ = kAbsent, rate_ = kAbsent, step_number_ = kAbsent, clip_ = kAbsent;
};

TrainingGraph Builder::run(const GraphData& network, PassContext& context) {
  GraphData& graph = made_.graph;
  graph = training_graph(network, context);
  collect_states();
  loss_value_ = add_loss();
  const auto first_backward = static_cast<NodeId>(graph.nodes.size());
  add_gradients();
  graph.outputs = {loss_value_};
  graph.output_names = {"loss"};
  if (optimizer_.micro_batch_size > 0) {
    accumulate();
  } else {
    add_updates(graph, parameters_, gradients_);
  }
  for (const Pass* pass : {&kCancelledBiases, &kMomentsFromConv, &kNormalizeInLoad}) {
    run_passes(graph, {pass, 1}, context);
  }
  if (optimizer_.recompute) recompute(graph, first_backward);
  tidy(graph);
  verify(graph, "the trainer");
  made_.counts_steps = step_number_ != kAbsent;
  return std::move(made_);
}

void Builder::collect_states() {
  for (const ValueInfo& value : made_.graph.values) {
    if (value.kind != ValueKind::state) continue;
    made_.changing.push_back(value.data);
    if (!value.in_state_dict) made_.counters.emplace_back(concat(kOptimizerPrefix, value.name), value.data);
  }
}

ValueId Builder::add_loss() {
  GraphData& graph = made_.graph;
  const ValueId output = graph.outputs[0];
  const ValueType type = graph.value(output).type;
  if (loss_.kind == LossKind::mse) {
    made_.target = add_input(graph, "loss.target", type);
    return add_node(graph, "loss", ops::MeanSquaredError{}, {output, made_.target})[0];
  }
  if (type.shape.rank() != 2 || type.shape[1] == kDynamic) {
    fail("training: cross entropy needs a network with output (N, classes), got ", type.shape.str());
  }
  made_.target = add_input(graph, "loss.target", {DType::i64, Shape{kDynamic}});
  return add_node(graph, "loss", ops::CrossEntropy{loss_.label_smoothing}, {output, made_.target})[0];
}

void Builder::add_gradients() {
  GraphData& graph = made_.graph;
  std::vector<ValueId> wanted;
  for (ValueId id = 0; id < static_cast<ValueId>(graph.values.size()); ++id) {
    const ValueInfo& value = graph.value(id);
    if (value.kind == ValueKind::parameter && value.requires_grad) wanted.push_back(id);
  }
  const ValueId one = add_node(graph, "loss.gradient", ops::Fill{1}, {loss_value_})[0];
  const std::vector<ValueId> gradients = differentiate(graph, {{loss_value_, one}}, wanted);
  for (size_t i = 0; i < wanted.size(); ++i) {
    if (gradients[i] == kAbsent) continue;  // the loss does not depend on it
    parameters_.push_back(wanted[i]);
    gradients_.push_back(gradients[i]);
  }
  if (parameters_.empty()) fail("training: the loss depends on no parameter that requires a gradient");
}

void Builder::add_updates(GraphData& to, const std::vector<ValueId>& parameters,
                          const std::vector<ValueId>& gradients) {
  rate_ = add_input(to, "optimizer.rate", {DType::f32, Shape{}});
  const bool counts = !std::holds_alternative<SGD>(optimizer_.method);
  step_number_ = counts ? add_input(to, "optimizer.step", {DType::i64, Shape{}}) : kAbsent;
  clip_ = optimizer_.clip_grad_norm > 0
              ? add_node(to, "clip", ops::ClipGradNorm{optimizer_.clip_grad_norm}, gradients)[0]
              : kAbsent;
  for (size_t i = 0; i < parameters.size(); ++i) add_update(to, parameters[i], gradients[i]);
  if (clip_ != kAbsent) {
    to.outputs.push_back(clip_);
    to.output_names.push_back("clip");
  }
}

void Builder::accumulate() {
  // sum += share * gradient is a step of plain SGD on the sum, at rate -share.
  GraphData& graph = made_.graph;
  GraphData& updates = made_.updates;
  const ValueId minus_share = add_input(graph, "accumulation.minus_share", {DType::f32, Shape{}});
  std::vector<ValueId> updated, summed;
  for (size_t i = 0; i < parameters_.size(); ++i) {
    const ValueInfo parameter = graph.value(parameters_[i]);
    const std::string name = concat(parameter.name, ".gradient_sum");
    const Tensor& sum = made_.sums.emplace_back(parameter.type.shape);
    const ValueId here = add_state(graph, name, parameter.type, Init{});
    graph.value(here).data = sum;
    add_node(graph, name, ops::SgdUpdate{},
             {here, gradients_[i], kAbsent, minus_share, loss_value_, kAbsent});
    updated.push_back(add_parameter(updates, parameter.name, parameter.type.shape, Init{}));
    updates.value(updated.back()).data = parameter.data;
    summed.push_back(add_state(updates, name, parameter.type, Init{}));
    updates.value(summed.back()).data = sum;
  }
  loss_value_ = add_input(updates, "loss", {DType::f32, Shape{}});
  add_updates(updates, updated, summed);
  tidy(updates);
  verify(updates, "the trainer's updates");
}

void Builder::add_update(GraphData& to, ValueId parameter, ValueId gradient) {
  const std::string name = to.value(parameter).name + ".update";
  // BatchNorm's weight and bias and all biases are the parameters of one dimension.
  const bool decays = optimizer_.decay_norm_and_bias || to.value(parameter).type.shape.rank() > 1;
  const auto adam = [&](const auto& method, bool decoupled) {
    const ops::AdamUpdate attributes{method.beta1, method.beta2, method.eps, decays ? method.weight_decay : 0,
                                     decoupled};
    add_node(to, name, attributes,
             {parameter, gradient, buffer(to, parameter, "exp_avg"), buffer(to, parameter, "exp_avg_sq"),
              step_number_, rate_, loss_value_, clip_});
  };
  if (const auto* sgd = std::get_if<SGD>(&optimizer_.method)) {
    const ops::SgdUpdate attributes{sgd->momentum, decays ? sgd->weight_decay : 0, sgd->nesterov};
    const ValueId momentum = sgd->momentum != 0 ? buffer(to, parameter, "momentum_buffer") : kAbsent;
    add_node(to, name, attributes, {parameter, gradient, momentum, rate_, loss_value_, clip_});
  } else if (const auto* plain = std::get_if<Adam>(&optimizer_.method)) {
    adam(*plain, /*decoupled=*/false);
  } else {
    adam(std::get<AdamW>(optimizer_.method), /*decoupled=*/true);
  }
}

ValueId Builder::buffer(GraphData& to, ValueId parameter, std::string_view name) {
  const ValueType type = to.value(parameter).type;
  const std::string full_name = concat(kOptimizerPrefix, to.value(parameter).name, ".", name);
  const ValueId state = add_state(to, full_name, type, Init{});
  if (find(buffers_, full_name) == nullptr) buffers_.emplace_back(full_name, Tensor(type.shape, type.dtype));
  to.value(state).data = *find(buffers_, full_name);
  return state;
}

}  // namespace

TrainingGraph make_training_graph(const GraphData& network, PassContext& context, const Loss& loss,
                                  const Optimizer& optimizer, StateDict& buffers) {
  return Builder(loss, optimizer, buffers).run(network, context);
}

}  // namespace pleat
