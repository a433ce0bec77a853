#include <doctest/doctest.h>

#include <algorithm>
#include <map>
#include <set>

#include "executor/executor.hpp"
#include "goldens/golden.hpp"
#include "graph/edit.hpp"
#include "passes/differentiate.hpp"
#include "passes/pipeline.hpp"
#include "passes/to_double.hpp"

namespace pleat::test {
namespace {

using nlohmann::json;

constexpr double kFloatTolerance = 1e-5, kDoubleTolerance = 1e-10;

/// One case of ops.safetensors: its tensors, and what was compared with them.
class Case {
 public:
  Case(const GoldenFile& file, const json& description)
      : file_(file), json_(description), name_(description.at("name")) {}

  const std::string& name() const { return name_; }
  const json& operator[](const char* key) const { return json_.at(key); }
  bool has(const char* key) const { return json_.contains(key); }
  int64_t steps() const { return json_.at("steps"); }
  bool trains() const { return json_.at("mode") == "train"; }

  const Tensor& tensor(const std::string& part) const { return file_.tensor(name_ + "/" + part); }
  StateDict group(const std::string& part) const { return file_.group(name_ + "/" + part); }
  bool has_tensor(const std::string& part) const { return file_.has(name_ + "/" + part); }

  Graph graph() const { return graph_of(json_.at("nodes"), json_.at("inputs")); }
  /// One step's inputs in the order of the graph's; the whole tensors for `step` -1.
  std::vector<Tensor> inputs(const std::string& part, int64_t step) const {
    std::vector<Tensor> inputs;
    for (const auto& [key, shape] : json_.at("inputs").items()) {
      const Tensor& stored = tensor(part + "/" + key);
      inputs.push_back(step < 0 ? stored : step_of(stored, step));
    }
    return inputs;
  }

  /// Checks one step (-1: the whole tensor) of a golden, and remembers that it was.
  void check(const std::string& part, int64_t step, const Tensor& got, double tolerance) {
    CAPTURE(part);
    CAPTURE(step);
    const Tensor& stored = tensor(part);
    const bool gradient = part.starts_with("d");
    const double floor = gradient ? json_.value("gradient_scale", 1e-6) : 1e-6;
    CHECK(deviation(got, step < 0 ? stored : step_of(stored, step), floor) < tolerance);
    checked_.insert(part);
  }
  /// Whether each output, gradient and statistic of the file was compared.
  void check_complete() const {
    for (const char* part : {"din", "dparam", "after"}) {
      for (const auto& [key, tensor] : group(part)) CHECK(checked_.contains(std::string(part) + "/" + key));
    }
    for (const char* part : {"out", "eval_out"}) {
      if (has_tensor(part)) CHECK(checked_.contains(part));
    }
  }

 private:
  const GoldenFile& file_;
  const json& json_;
  std::string name_;
  std::set<std::string> checked_;
};

/// Values, running statistics and inference, folded and not, through the public model.
void check_model(Case& one) {
  Model model(one.graph());
  model.load_state_dict(one.group("state"));
  for (const json& layer : one["frozen"]) model.freeze(layer.get<std::string>());
  model.train(one.trains());
  for (int64_t step = 0; step < one.steps(); ++step) {
    for (const bool fold : one.trains() ? std::vector{true} : std::vector{true, false}) {
      CAPTURE(fold);
      model.set_fold(fold);
      const Tensor y = model.run(one.inputs("in", step)).at(0);
      if (!one.has("loss")) one.check("out", step, y, kFloatTolerance);
    }
    const StateDict state = model.state_dict();
    for (const auto& [key, stack] : one.group("after")) {
      REQUIRE(find(state, key) != nullptr);
      one.check("after/" + key, step, *find(state, key), kFloatTolerance);
    }
  }
  if (!one.has_tensor("eval_out")) return;
  for (const bool fold : {true, false}) {
    CAPTURE(fold);
    model.set_fold(fold).eval();
    one.check("eval_out", -1, model.run(one.inputs("eval_in", -1)).at(0), kFloatTolerance);
  }
}

/// The case's graph with the case's weights, before any pass.
GraphData loaded(const Case& one) {
  GraphData graph = one.graph().ir();
  const StateDict state = one.group("state");
  for (ValueInfo& value : graph.values) {
    if (const Tensor* stored = find(state, value.name)) value.data = stored->clone();
  }
  initialize(graph, /*seed=*/0);  // what no state dict holds: dropout's counter
  for (const json& layer : one["frozen"]) {
    for (Node& node : graph.nodes) {
      if (node.name == layer) std::get<ops::BatchNorm>(node.attributes).frozen = true;
    }
  }
  return graph;
}

/// Runs a graph once, in the precision of its inputs.
std::vector<Tensor> run(const GraphData& graph, const std::vector<Tensor>& inputs) {
  std::vector<Tensor> given;
  std::vector<Shape> shapes;
  for (size_t i = 0; i < inputs.size(); ++i) {
    given.push_back(inputs[i].to(graph.value(graph.inputs[i]).type.dtype));
    shapes.push_back(inputs[i].shape());
  }
  Executor executor(make_plan(graph, shapes));
  std::vector<Tensor> outputs;
  std::vector<const void*> from;
  std::vector<void*> to;
  for (const Tensor& tensor : given) from.push_back(tensor.raw());
  for (int id : executor.plan().outputs) {
    const ValueType& type = executor.plan().buffers[static_cast<size_t>(id)].type;
    to.push_back(outputs.emplace_back(type.shape, type.dtype).raw());
  }
  executor.run(from, to);
  return outputs;
}

/// Adds the loss, where there is one, and every gradient as an output; the names of the outputs' goldens.
std::vector<std::string> add_gradients(const Case& one, GraphData& graph) {
  ValueId y = graph.outputs.at(0);
  std::vector<ValueId> wanted = graph.inputs;
  std::vector<std::string> names{"out"};
  for (ValueId input : graph.inputs) names.push_back("din/" + graph.value(input).name);
  for (size_t id = 0; id < graph.values.size(); ++id) {
    if (graph.values[id].kind != ValueKind::parameter) continue;
    wanted.push_back(static_cast<ValueId>(id));
    names.push_back("dparam/" + graph.values[id].name);
  }
  if (one.has("loss")) {
    const json& loss = one["loss"];
    const bool mse = loss.at("kind") == "mse";
    ValueType type = mse ? graph.value(y).type : ValueType{DType::i64, {kDynamic}};
    const ValueId target = add_input(graph, "target", type);
    y = add_node(graph, "loss",
                 mse ? ops::Attributes(ops::MeanSquaredError{})
                     : ops::Attributes(ops::CrossEntropy{loss.at("label_smoothing").get<double>()}),
                 {y, target})[0];
  }
  const ValueId dy = add_input(graph, "dout", graph.value(y).type);
  std::vector<ValueId> outputs = differentiate(graph, {{y, dy}}, wanted);
  outputs.insert(outputs.begin(), y);
  graph.outputs = outputs;
  graph.output_names = names;
  verify(graph, "differentiate");
  return names;
}

/// Values, gradients and running statistics, in float or in double.
void check_gradients(Case& one, bool in_double) {
  const double tolerance = in_double ? kDoubleTolerance : kFloatTolerance;
  const GraphData base = in_double ? to_double(loaded(one)) : loaded(one);
  PassContext context;
  GraphData graph = training_graph(base, context);
  const std::vector<std::string> names = add_gradients(one, graph);
  for (int64_t step = 0; step < one.steps(); ++step) {
    std::vector<Tensor> inputs = one.inputs("in", step);
    if (one.has("loss")) inputs.push_back(step_of(one.tensor("target"), step));
    inputs.push_back(one.has("loss") ? Tensor::from<float>({}, {1}) : step_of(one.tensor("dout"), step));
    const std::vector<Tensor> outputs = run(graph, inputs);
    for (size_t i = 0; i < names.size(); ++i) one.check(names[i], step, outputs[i], tolerance);
    for (const ValueInfo& value : graph.values) {
      if (value.kind == ValueKind::state && value.in_state_dict) {
        one.check("after/" + value.name, step, value.data, tolerance);
      }
    }
  }
}

/// Inference in double, after the case's training steps where it has any.
void check_inference_in_double(Case& one) {
  const GraphData base = to_double(loaded(one));
  PassContext context;
  const GraphData training = training_graph(base, context);
  const GraphData inference = inference_graph(base, /*fold=*/false, context);
  if (!one.trains()) {
    one.check("out", 0, run(inference, one.inputs("in", 0)).at(0), kDoubleTolerance);
    return;
  }
  for (int64_t step = 0; step < one.steps(); ++step) run(training, one.inputs("in", step));
  one.check("eval_out", -1, run(inference, one.inputs("eval_in", -1)).at(0), kDoubleTolerance);
}

template <class Body>
void for_each_case(const Body& body) {
  static const GoldenFile file("ops");
  for (const json& description : file.cases()) {
    Case one(file, description);
    CAPTURE(one.name());
    body(one);
  }
}

template <class Body>
void on_each_isa(const Body& body) {
  const std::string active = active_isa();
  for (const std::string& isa : available_isas()) {
    CAPTURE(isa);
    set_isa(isa);
    body();
  }
  set_isa(active);
}

TEST_CASE("every layer gives PyTorch's values, gradients and statistics on every instruction set") {
  on_each_isa([] {
    for_each_case([](Case& one) {
      check_model(one);
      if (one.trains()) check_gradients(one, /*in_double=*/false);
      one.check_complete();
    });
  });
}

TEST_CASE("in double every layer gives PyTorch's values, gradients and statistics") {
  for_each_case([](Case& one) {
    if (one.trains()) check_gradients(one, /*in_double=*/true);
    if (!one.trains() || one.has_tensor("eval_out")) check_inference_in_double(one);
    one.check_complete();
  });
}

TEST_CASE("the goldens know every layer") {
  std::map<std::string, int> kinds;
  int cases = 0;
  for_each_case([&](Case& one) {
    ++cases;
    for (const json& node : one["nodes"]) ++kinds[node.at("type").get<std::string>()];
  });
  CHECK(cases == 153);
  CHECK(kinds.size() == std::variant_size_v<Layer>);
}

}  // namespace
}  // namespace pleat::test
