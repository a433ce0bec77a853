// The certificate: errors are those of an independent double run, what folding costs too much is rolled back,
// and a comparison names the layer that differs.

#include "pleat/certify.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "pleat/models.hpp"
#include "support/model_tools.hpp"

namespace pleat {
namespace {

using test::random_tensor;
using test::randomize;

Model randomized(Graph graph) {
  Model model(std::move(graph));
  randomize(model, 3);
  return model;
}

TEST_CASE("certify: every batch norm of the built-in networks folds within float's accuracy") {
  struct Case {
    Graph graph;
    Shape input;
  };
  for (Case& one : std::vector<Case>{{models::net(), {4, 10}},
                                     {models::custom(6, 8, 3), {4, 6}},
                                     {models::mymodel(kDynamic), {2, 3, 12, 12}},
                                     {models::resnet20(), {1, 3, 32, 32}}}) {
    const Model model = randomized(std::move(one.graph));
    const Certificate made = certify(model.graph(), {{random_tensor(one.input, 1)}});
    CHECK(made.report.left() == 0);
    CHECK(made.report.folded() > 0);
    CHECK(made.rolled_back.empty());
    CHECK(made.holds);
    CHECK(made.folded.max_rel < 5e-6);
    CHECK(made.unfolded.max_rel < 5e-6);
    CHECK(made.unfolded.max_abs > 0);
    CHECK(made.reference_scale > 0);
    CHECK(made.folded.max_abs <= made.folded.max_rel * made.reference_scale * 1.0001);
  }
}

TEST_CASE("certify: the error is the distance to the double run") {
  Graph graph;
  graph.output("y", graph.add("fc", Linear{2, 1}, {graph.input("x", {kDynamic, 2})}));
  Model model(graph);
  std::ranges::copy(std::vector<float>{1e8f, 1.0f}, model.parameter("fc.weight").data<float>());
  model.parameter("fc.bias").data<float>()[0] = 0;
  // 1e8 + 1 needs more digits than a float has.
  const Certificate made = certify(model.graph(), {{Tensor::from<float>({1, 2}, {1, 1})}});
  CHECK(made.reference_scale == 100000001.0);
  CHECK(made.folded.max_abs == 1.0);
  CHECK(made.unfolded.max_abs == 1.0);
}

// Two branches of Linear and BatchNorm. The second one's scale is so small that scaled weights lose digits as
// denormal numbers, which scaled results do not.
Graph two_branches() {
  Graph graph;
  const Value x = graph.input("x", {kDynamic, 16});
  for (const char* branch : {"1", "2"}) {
    const std::string suffix = branch;
    Value y = graph.add("fc" + suffix, Linear{16, 16}, {x});
    graph.output("y" + suffix, graph.add("bn" + suffix, BatchNorm1d{16}, {y}));
  }
  return graph;
}

TEST_CASE("certify: a fold that costs too much is rolled back, named, and the others stay") {
  Model model(two_branches());
  for (float& weight : model.parameter("fc2.weight").span<float>()) weight *= 0.01f;
  for (float& bias : model.parameter("fc2.bias").span<float>()) bias = 0;
  for (float& scale : model.parameter("bn2.weight").span<float>()) scale = 1e-40f;
  const std::vector<InputSet> inputs = {{random_tensor({8, 16}, 5, -1000, 1000)}};

  const Certificate made = certify(model.graph(), inputs, {.tolerance = 1e-4});
  CHECK(made.unfolded.max_rel < 1e-4);
  CHECK(made.rolled_back == std::vector<std::string>{"bn2"});
  CHECK(made.holds);
  REQUIRE(made.report.entries.size() == 2);
  for (const FoldEntry& entry : made.report.entries) CHECK(entry.folded == (entry.layer == "bn1"));

  const Certificate strict = certify(model.graph(), inputs, {.tolerance = 1e-12});
  CHECK_FALSE(strict.holds);  // float itself is not that exact: nothing to roll back for
  CHECK(strict.rolled_back.empty());
}

TEST_CASE("fold: gives a graph without the batch norms and leaves the given one alone") {
  const Model model = randomized(models::net());
  const std::string before = model.graph().str();
  FoldReport report;
  const Graph folded = fold(model.graph(), {}, &report);
  CHECK(report.folded() == 1);
  CHECK(folded.str().find("batch_norm") == std::string::npos);
  CHECK(fold(model.graph(), {"bn1"}, &report).str().find("scale_shift") != std::string::npos);
  CHECK(report.left() == 1);
  CHECK(model.graph().str() == before);
}

TEST_CASE("fold: a graph without weights is an error") {
  CHECK_THROWS_WITH_AS(fold(models::net()), doctest::Contains("has no values yet"), Error);
}

TEST_CASE("compare: agrees with itself, and names the first layer that differs") {
  const Model a = randomized(models::mymodel(kDynamic)), same = randomized(models::mymodel(kDynamic));
  Model b = randomized(models::mymodel(kDynamic));
  const std::vector<InputSet> inputs = {{random_tensor({2, 3, 10, 10}, 1)}};
  const Comparison equal = compare(a.graph(), same.graph(), inputs);
  CHECK(equal.agree);
  CHECK(equal.outputs.max_abs == 0);
  CHECK(equal.layers_compared > 3);
  CHECK(equal.first_diverged.empty());

  for (float& bias : b.parameter("bn1.bias").span<float>()) bias += 1;
  const Comparison other = compare(a.graph(), b.graph(), inputs);
  CHECK_FALSE(other.agree);
  CHECK(other.first_diverged == "bn1");
  CHECK(other.diverged_by > 1e-3);
}

TEST_CASE("compare: networks of other outputs or shapes are an error") {
  const Model a = randomized(models::net()), b = randomized(two_branches());
  const std::vector<InputSet> inputs = {{random_tensor({2, 10}, 1)}};
  CHECK_THROWS_WITH_AS(compare(a.graph(), b.graph(), inputs), doctest::Contains("1 output(s), the other 2"),
                       Error);
}

}  // namespace
}  // namespace pleat
