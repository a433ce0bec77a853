// Folding: what is folded gives the results of a double-precision run of the network as built; what cannot be
// is left, and says why; the graph that was given stays as it was.

#include <doctest/doctest.h>

#include "graph/edit.hpp"
#include "passes/pipeline.hpp"
#include "passes/to_double.hpp"
#include "support/model_tools.hpp"
#include "support/run_graph.hpp"

namespace pleat {
namespace {

using test::random_tensor;
using test::randomize;
using test::relative_error;
using test::run_graph;

// A model with its graph's fold, run on one input.
struct Folded {
  FoldReport report;
  Tensor output;
  double error;  // of the folded float network against a double run of the unfolded one
  int steps;     // before a layout is chosen
};

Folded fold(const Model& model, const Tensor& x) {
  PassContext context, unfolded_context, steps_context;
  steps_context.disabled = {"choose_layout"};
  const GraphData& graph = model.graph().ir();
  const std::string before = print(graph);
  const GraphData folded = inference_graph(graph, /*fold=*/true, context);
  const GraphData unfolded = inference_graph(graph, /*fold=*/false, unfolded_context);
  CHECK(print(graph) == before);
  const GraphData steps = inference_graph(graph, /*fold=*/true, steps_context);
  Folded result{context.report, run_graph(folded, {x})[0], 0, static_cast<int>(steps.nodes.size())};
  result.error = relative_error(result.output, run_graph(to_double(unfolded), {x})[0]);
  return result;
}

// One layer, a batch norm, and what comes after, with random weights.
template <class... Layers>
Model chain(const Shape& input, const Layers&... layers) {
  Graph graph;
  Value x = graph.input("x", input);
  int i = 0;
  ((x = graph.add("layer" + std::to_string(i++), layers, {x})), ...);
  graph.output("y", x);
  Model model(std::move(graph));
  randomize(model, 11);
  return model;
}

constexpr double kTolerance = 2e-6;

TEST_CASE("fold: convolutions of every kind take the batch norm after them") {
  for (const int64_t groups : {1, 2, 4}) {
    for (const bool bias : {false, true}) {
      const Conv2d conv{.in_channels = 4,
                        .out_channels = 8,
                        .kernel_size = 3,
                        .stride = 2,
                        .padding = 1,
                        .groups = groups,
                        .bias = bias};
      const Folded result =
          fold(chain({2, 4, 9, 7}, conv, BatchNorm2d{8}, ReLU{}), random_tensor({2, 4, 9, 7}, 1));
      INFO("groups ", groups, ", bias ", bias);
      CHECK(result.report.folded() == 1);
      CHECK(result.report.entries[0].target == "layer0");
      CHECK(result.steps == 1);
      CHECK(result.error < kTolerance);
    }
  }
  const Conv1d conv{.in_channels = 3, .out_channels = 5, .kernel_size = 3, .padding = 1};
  const Folded result = fold(chain({2, 3, 11}, conv, BatchNorm1d{5}, SiLU{}), random_tensor({2, 3, 11}, 1));
  CHECK(result.steps == 1);
  CHECK(result.error < kTolerance);
}

TEST_CASE("fold: affine, scale and shift switched off separately") {
  for (const auto& [affine, scale, shift] :
       {std::tuple{false, true, true}, {true, false, true}, {true, true, false}}) {
    const BatchNorm1d batch_norm{.num_features = 6, .affine = affine, .scale = scale, .shift = shift};
    const Folded result = fold(chain({3, 4}, Linear{4, 6}, batch_norm), random_tensor({3, 4}, 1));
    CHECK(result.steps == 1);
    CHECK(result.error < kTolerance);
  }
}

TEST_CASE("fold: batch norms in a row become one, then fold") {
  const Folded result = fold(chain({3, 4}, Linear{4, 6}, BatchNorm1d{6}, BatchNorm1d{6}, BatchNorm1d{6}),
                             random_tensor({3, 4}, 1));
  CHECK(result.report.folded() == 3);
  CHECK(result.steps == 1);
  CHECK(result.error < kTolerance);
}

TEST_CASE("fold: tiny and zero variance, zero scale") {
  Model model = chain({3, 4}, Linear{4, 6}, BatchNorm1d{6});
  float* var = model.parameter("layer1.running_var").data<float>();
  var[0] = 0;
  var[1] = 1e-30f;
  var[2] = 1e6f;
  model.parameter("layer1.weight").data<float>()[3] = 0;
  const Folded result = fold(model, random_tensor({3, 4}, 1));
  CHECK(result.report.folded() == 1);
  CHECK(result.error < kTolerance);
  var[0] = -1;
  CHECK_THROWS_WITH_AS(fold(model, random_tensor({3, 4}, 1)), doctest::Contains("layer1: channel 0"), Error);
}

TEST_CASE("fold: an addition and an activation go into the step before them") {
  Graph graph;
  const Value x = graph.input("x", {kDynamic, 4, 6, 6});
  const Conv2d conv{.in_channels = 4, .out_channels = 4, .kernel_size = 3, .padding = 1};
  const Value a = graph.add("bn_a", BatchNorm2d{4}, {graph.add("conv_a", conv, {x})});
  const Value b = graph.add("bn_b", BatchNorm2d{4}, {graph.add("conv_b", conv, {graph.add(Tanh{}, {x})})});
  graph.output("y", graph.add(ReLU6{}, {graph.add(Add{}, {a, b})}));
  Model model(std::move(graph));
  randomize(model, 3);
  const Folded result = fold(model, random_tensor({2, 4, 6, 6}, 1));
  CHECK(result.report.folded() == 2);
  CHECK(result.steps == 3);  // tanh, and the convolutions
  CHECK(result.error < kTolerance);
}

TEST_CASE("fold: an addition of a value to itself, or to what comes from it, is right") {
  Graph graph;
  const Value x = graph.input("x", {kDynamic, 5});
  const Value a = graph.add("fc", Linear{5, 5}, {x});
  const Value twice = graph.add(Add{}, {a, a});
  const Value fed = graph.add("fc2", Linear{5, 5}, {twice});
  graph.output("y", graph.add(Add{}, {graph.add(Tanh{}, {fed}), fed}));
  Model model(std::move(graph));
  CHECK(fold(model, random_tensor({3, 5}, 1)).error < kTolerance);
}

TEST_CASE("fold: what is needed elsewhere is left, with the reason") {
  Graph graph;
  const Value x = graph.input("x", {kDynamic, 5});
  const Value fc = graph.add("fc", Linear{5, 5}, {x});
  const Value bn = graph.add("bn", BatchNorm1d{5}, {fc});
  graph.output("y", graph.add(Add{}, {bn, fc}));
  Model model(std::move(graph));
  randomize(model, 3);
  const Folded result = fold(model, random_tensor({3, 5}, 1));
  REQUIRE(result.report.left() == 1);
  CHECK(result.report.entries[0].reason.find("the result of fc is needed elsewhere too") == 0);
  CHECK(result.error < kTolerance);

  Graph second;
  const Value z = second.input("x", {kDynamic, 5});
  const Value hidden = second.add("fc", Linear{5, 5}, {z});
  second.output("y", second.add("bn", BatchNorm1d{5}, {hidden}));
  second.output("hidden", hidden);
  Model exposed(std::move(second));
  CHECK(exposed.fold_report().left() == 1);
}

TEST_CASE("fold: after an activation, on the input, and over the wrong dimension it stays, with the reason") {
  const auto reason = [](const Folded& folded) {
    REQUIRE(folded.report.entries.size() == 1);
    CHECK_FALSE(folded.report.entries[0].folded);
    CHECK(folded.error < kTolerance);
    return folded.report.entries[0].reason;
  };
  const Tensor flat = random_tensor({3, 5}, 1);
  CHECK(reason(fold(chain({3, 5}, Linear{5, 5}, ReLU{}, BatchNorm1d{5}), flat)).find("layer1") !=
        std::string::npos);
  CHECK(reason(fold(chain({3, 5}, BatchNorm1d{5}, ReLU{}), flat)).find("its input is the graph's own") == 0);
  CHECK(reason(fold(chain({3, 5, 5}, Linear{5, 5}, BatchNorm1d{5}), random_tensor({3, 5, 5}, 1)))
            .find("normalizes dimension 1 of 3, but layer0 makes the last") == 0);
  const BatchNorm1d untracked{.num_features = 5, .track_running_stats = false};
  CHECK(reason(fold(chain({3, 5}, Linear{5, 5}, untracked), flat)).find("tracks no running ones") !=
        std::string::npos);
}

TEST_CASE("fold: an affine that stays is exact where the mean is far above the deviation") {
  Model model = chain({64, 5}, BatchNorm1d{5});
  Tensor x = random_tensor({64, 5}, 1);
  for (float& value : x.span<float>()) value += 1e4f;
  for (float& mean : model.parameter("layer0.running_mean").span<float>()) mean = 1e4f;
  CHECK(fold(model, x).error < kTolerance);
}

TEST_CASE("passes: each is timed, and one that is disabled by name is left out") {
  const Model model = chain({3, 5}, Linear{5, 5}, BatchNorm1d{5}, ReLU{});
  PassContext context;
  inference_graph(model.graph().ir(), true, context);
  CHECK(context.timings.size() == 22);
  PassContext without;
  without.disabled = {"fold_backward"};
  CHECK(inference_graph(model.graph().ir(), true, without).nodes.size() == 2);
  CHECK(without.timings.size() == 20);
}

TEST_CASE("training: batch norm takes the addition and the activation after it") {
  const auto kinds = [](const GraphData& graph) {
    std::vector<std::string> names;
    for (const Node& node : graph.nodes) names.emplace_back(definition(node.attributes).name);
    return names;
  };
  PassContext context;
  const Model relu = chain({3, 5}, Linear{5, 5}, BatchNorm1d{5}, ReLU{});
  CHECK(kinds(training_graph(relu.graph().ir(), context)) ==
        std::vector<std::string>{"linear", "batch_norm"});
  const Model tanh = chain({3, 5}, Linear{5, 5}, BatchNorm1d{5}, Tanh{});
  CHECK(kinds(training_graph(tanh.graph().ir(), context)).size() == 3);

  Graph graph;
  const Value x = graph.input("x", {kDynamic, 5});
  const Value bn = graph.add("bn", BatchNorm1d{5}, {graph.add("fc", Linear{5, 5}, {x})});
  graph.output("y", graph.add(ReLU{}, {graph.add(Add{}, {x, bn})}));
  const GraphData residual = training_graph(Model(std::move(graph)).graph().ir(), context);
  CHECK(kinds(residual) == std::vector<std::string>{"linear", "batch_norm"});
  CHECK(residual.nodes[1].inputs[6] == residual.inputs[0]);
}

}  // namespace
}  // namespace pleat
