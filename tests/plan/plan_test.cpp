#include "plan/plan.hpp"

#include <doctest/doctest.h>

#include <algorithm>

#include "base/format.hpp"
#include "base/random.hpp"
#include "graph/edit.hpp"
#include "passes/pipeline.hpp"
#include "plan/memory.hpp"
#include "pleat/models.hpp"

namespace pleat {
namespace {

bool overlap(const Lifetime& a, const Lifetime& b) {
  const bool together = a.first <= b.last && b.first <= a.last;
  return together && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes;
}

TEST_CASE("memory: what lives at the same time never overlaps, and memory is used again") {
  Random random(7);
  for (int round = 0; round < 50; ++round) {
    std::vector<Lifetime> lifetimes;
    size_t sum = 0;
    for (int i = 0; i < 60; ++i) {
      const int first = static_cast<int>(random.below(40));
      lifetimes.push_back({random.below(5000), first, first + static_cast<int>(random.below(6))});
      sum += lifetimes.back().bytes;
    }
    const size_t total = assign_offsets(lifetimes);
    for (size_t i = 0; i < lifetimes.size(); ++i) {
      CHECK(lifetimes[i].offset % 64 == 0);
      CHECK(lifetimes[i].offset + lifetimes[i].bytes <= total);
      for (size_t j = 0; j < i; ++j) {
        if (lifetimes[i].bytes > 0 && lifetimes[j].bytes > 0)
          CHECK_FALSE(overlap(lifetimes[i], lifetimes[j]));
      }
    }
    CHECK(total < sum / 2);
  }
}

Plan plan_of(const Graph& graph, bool training, const Shape& input) {
  Graph copy = graph;
  initialize(copy.ir(), 0);
  PassContext context;
  const GraphData prepared =
      training ? training_graph(copy.ir(), context) : inference_graph(copy.ir(), true, context);
  return make_plan(prepared, {&input, 1});
}

TEST_CASE("plan: a chain runs in the memory of its two largest neighbours") {
  const Plan plan = plan_of(models::resnet20(), false, {2, 3, 32, 32});
  CHECK(plan.arena_bytes < plan.unshared_bytes / 4);
  CHECK(plan.copies.empty());
}

TEST_CASE("plan: steps of a stage read nothing that the stage makes, and stages come in order") {
  for (const bool training : {true, false}) {
    const Plan plan = plan_of(models::resnet20(), training, {2, 3, 32, 32});
    int next = 0;
    for (const Stage& stage : plan.stages) {
      CHECK(stage.first == next);
      next = stage.last;
      std::vector<int> made;
      for (int i = stage.first; i < stage.last; ++i) {
        const Step& step = plan.steps[static_cast<size_t>(i)];
        made.insert(made.end(), step.outputs.begin(), step.outputs.end());
      }
      for (int i = stage.first; i < stage.last; ++i) {
        for (int input : plan.steps[static_cast<size_t>(i)].inputs)
          CHECK(std::ranges::count(made, input) == 0);
      }
    }
    CHECK(next == static_cast<int>(plan.steps.size()));
  }
}

TEST_CASE("plan: who changes a state comes after its earlier readers and before its later ones") {
  GraphData graph;
  const ValueId x = add_input(graph, "x", {DType::f32, {8, 4}});
  const ValueId parameter = add_parameter(graph, "w", {8, 4}, {Init::Kind::constant, 1});
  initialize(graph, 0);
  const ValueId rate = add_input(graph, "rate", {DType::f32, {}});
  const ValueId before = add_node(graph, "before", ops::Add{}, {x, parameter})[0];
  add_node(graph, "update", ops::SgdUpdate{}, {parameter, x, kAbsent, rate, kAbsent});
  const ValueId after = add_node(graph, "after", ops::Add{}, {before, parameter})[0];
  graph.outputs = {after};
  graph.output_names = {"y"};
  const std::vector<Shape> shapes = {{8, 4}, {}};
  const Plan plan = make_plan(graph, shapes);
  REQUIRE(plan.steps.size() == 3);
  CHECK(plan.steps[0].name == "before");
  CHECK(plan.steps[1].name == "update");
  CHECK(plan.steps[2].name == "after");
  CHECK(plan.stages.size() == 3);
}

TEST_CASE("plan: an elementwise step takes over memory that is read no more, but no caller's") {
  GraphData graph;
  const ValueId x = add_input(graph, "x", {DType::f32, {1000}});
  ValueId y = x;
  for (int i = 0; i < 4; ++i)
    y = add_node(graph, concat("a", i), ops::Activate{.activation = Activation::tanh}, {y})[0];
  graph.outputs = {y};
  graph.output_names = {"y"};
  const Shape shape = {1000};
  const Plan plan = make_plan(graph, {&shape, 1});
  CHECK(plan.arena_bytes == 4032);  // one buffer of 4000 bytes, in whole cache lines
  CHECK(plan.buffers[static_cast<size_t>(plan.steps[0].inputs[0])].place == Place::input);
  CHECK(plan.buffers[static_cast<size_t>(plan.steps[3].outputs[0])].place == Place::output);
}

TEST_CASE("plan: an output that is an input, a view or named twice is copied") {
  GraphData graph;
  const ValueId x = add_input(graph, "x", {DType::f32, {2, 3, 4}});
  const ValueId flat = add_node(graph, "flat", ops::Flatten{}, {x})[0];
  const ValueId y = add_node(graph, "y", ops::Activate{}, {flat})[0];
  graph.outputs = {flat, y, y};
  graph.output_names = {"a", "b", "c"};
  const Shape shape = {2, 3, 4};
  const Plan plan = make_plan(graph, {&shape, 1});
  CHECK(plan.copies.size() == 2);
  CHECK(plan.steps.size() == 1);
}

TEST_CASE("plan: a shape that does not fit is an Error with both shapes") {
  Graph graph = models::net();
  initialize(graph.ir(), 0);
  const Shape wrong = {4, 11};
  CHECK_THROWS_WITH_AS(make_plan(graph.ir(), {&wrong, 1}), doctest::Contains("must be (N, 10), got (4, 11)"),
                       Error);
  CHECK_THROWS_WITH_AS(make_plan(graph.ir(), {}), doctest::Contains("1 input(s), got 0"), Error);
}

TEST_CASE("plan: printed, it tells the steps and the memory") {
  const std::string text = plan_of(models::net(), false, {4, 10}).str();
  CHECK(text.find("0 fc1 = linear(x, ") != std::string::npos);
  CHECK(text.find("arena ") != std::string::npos);
}

}  // namespace
}  // namespace pleat
