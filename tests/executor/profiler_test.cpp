#include "executor/profiler.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <map>

#include "api/model_impl.hpp"
#include "pleat/models.hpp"
#include "pleat/train.hpp"
#include "support/model_tools.hpp"

namespace pleat {
namespace {

using test::random_tensor;

/// Two layers that may run at the same time, and their sum.
Model two_branches(int threads) {
  Graph graph;
  const Value x = graph.input("x", {kDynamic, 512});
  const Value left = graph.add("left", Linear{512, 256}, {x}),
              right = graph.add("right", Linear{512, 256}, {x});
  graph.output("y", graph.add("sum", Add{}, {left, right}));
  return Model(std::move(graph), {.threads = threads});
}

const StepProfile& step_named(const Profile& profile, const std::string& name) {
  for (const StepProfile& step : profile.steps) {
    if (step.name == name) return step;
  }
  FAIL("no step ", name);
  return profile.steps[0];
}

void check_times(const Profile& profile, size_t runs) {
  REQUIRE(profile.run_us.size() == runs);
  for (const StepProfile& step : profile.steps) {
    INFO(step.name);
    REQUIRE(step.times.size() == runs);
    for (size_t run = 0; run < runs; ++run) {
      const StepTime& time = step.times[run];
      CHECK(time.start_us > 0);
      CHECK(time.duration_us > 0);
      CHECK(time.start_us + time.duration_us <= profile.run_us[run]);
      CHECK(time.thread >= 0);
      CHECK(time.thread < profile.threads);
    }
  }
}

}  // namespace

TEST_CASE("profiler: every step once, one after another on one thread, with what it computes and moves") {
  Model model(models::net(), {.threads = 1});
  model.eval();
  const Tensor x = random_tensor({4, 10}, 1);
  const Profile profile = model.profile({x}, 3);
  CHECK(profile.threads == 1);
  check_times(profile, 3);

  // bn1 is folded into fc1, the ReLU fused into it: two steps are left.
  REQUIRE(profile.steps.size() == 2);
  const StepProfile &fc1 = profile.steps[0], &fc2 = profile.steps[1];
  CHECK(fc1.op == "linear");
  CHECK(fc1.outputs == std::vector<Shape>{{4, 20}});
  CHECK(fc1.multiply_adds == 4 * 10 * 20);
  CHECK(fc1.bytes == 4 * (4 * 10 + 10 * 20 + 20 + 4 * 20));
  CHECK(fc2.name == "fc2");
  CHECK(fc2.multiply_adds == 4 * 20 * 10);
  for (size_t run = 0; run < 3; ++run) {
    CHECK(fc1.times[run].start_us + fc1.times[run].duration_us <= fc2.times[run].start_us);
  }
}

TEST_CASE("profiler: profiled runs give the bits of others, and leave nothing behind") {
  Model model(models::build("mymodel"), {.seed = 1, .threads = 2}),
      other(models::build("mymodel"), {.seed = 1});
  const Tensor x = random_tensor({4, 3, 32, 32}, 1);
  // In training mode each run moves the running statistics.
  for (int i = 0; i < 3; ++i) other(x);
  model.profile({x}, 2);
  const Tensor y = model(x);
  other.eval();
  model.eval();
  const Tensor a = model(x), b = other(x);
  CHECK(std::memcmp(a.raw(), b.raw(), a.bytes()) == 0);
  CHECK(model.profile({x}).run_us.size() == 1);
  CHECK_THROWS_WITH_AS(model.profile({x}, 0), doctest::Contains("at least 1, got 0"), Error);
  CHECK_THROWS_WITH_AS(model.profile({}), doctest::Contains("1 input(s), got 0"), Error);
}

TEST_CASE("profiler: steps of one stage have their own times, whether they run at once or not") {
  for (const int threads : {1, 2, 3}) {
    INFO(threads);
    Model model = two_branches(threads);
    const Profile profile = model.profile({random_tensor({64, 512}, 1)}, 5);
    CHECK(profile.threads == threads);
    check_times(profile, 5);
    CHECK(profile.steps.size() == 3);
    for (size_t run = 0; run < 5; ++run) {
      const StepTime& sum = step_named(profile, "sum").times[run];
      for (const char* name : {"left", "right"}) {
        const StepTime& branch = step_named(profile, name).times[run];
        CHECK(branch.start_us + branch.duration_us <= sum.start_us);
      }
    }
  }
}

TEST_CASE("profiler: a training step, with backward and updates; it trains") {
  Model model(models::custom(6, 8, 3), {.seed = 1}), other(models::custom(6, 8, 3), {.seed = 1});
  Trainer trainer(model, Loss{}, Optimizer{SGD{}}), plain(other, Loss{}, Optimizer{SGD{}});
  const Tensor x = random_tensor({8, 6}, 1), labels = Tensor::from<int64_t>({8}, {0, 1, 2, 0, 1, 2, 0, 1});
  const Profile profile = trainer.profile(x, labels, 2);
  check_times(profile, 2);
  CHECK(trainer.steps() == 2);
  for (int i = 0; i < 2; ++i) plain.step(x, labels);
  CHECK(trainer.step(x, labels) == plain.step(x, labels));

  std::map<std::string, int> steps;
  for (const StepProfile& step : profile.steps) ++steps[step.name];
  for (const auto& [name, count] : steps) CHECK_MESSAGE(count == 1, name);
  CHECK(steps.contains("fc1"));
  // The weight, its gradient and its momentum are read, the weight and the momentum written.
  const StepProfile& update = step_named(profile, "fc1.weight.update");
  CHECK(update.op == "sgd_update");
  CHECK(update.bytes >= 5 * 4 * 6 * 8);
  CHECK(update.bytes <= 5 * 4 * 6 * 8 + 16);
  CHECK_THROWS_WITH_AS(trainer.profile(x, labels, -1), doctest::Contains("got -1"), Error);
}

TEST_CASE("profile: medians") {
  StepProfile step;
  CHECK(step.median_us() == 0);
  for (const double us : {5., 1., 9.}) step.times.push_back({.duration_us = us});
  CHECK(step.median_us() == 5);
  Profile profile;
  profile.run_us = {7, 3, 8, 5, 1};
  CHECK(profile.median_run() == 3);
}

}  // namespace pleat
