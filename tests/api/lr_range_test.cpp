#include "pleat/lr_range.hpp"

#include <doctest/doctest.h>

#include <cmath>

#include "support/small_fit.hpp"

using namespace pleat;
using namespace pleat::test;

TEST_CASE("find_lr: an exponential ramp, smoothed losses, and a rate that learns") {
  Model model = small_model();
  const LrRange range = find_lr(model, small_data(90, 1), small_options());
  REQUIRE(range.curve.size() >= 80);
  CHECK(range.curve[0].lr == doctest::Approx(1e-7));
  double average = 0;
  for (size_t i = 0; i < range.curve.size(); ++i) {
    CHECK(range.curve[i].lr == doctest::Approx(1e-7 * std::pow(1e8, static_cast<double>(i) / 99)));
    average = 0.98 * average + 0.02 * range.curve[i].loss;
    CHECK(range.curve[i].smoothed ==
          doctest::Approx(average / (1 - std::pow(0.98, static_cast<double>(i + 1)))));
  }
  CHECK(range.suggestion > 1e-4);
  CHECK(range.suggestion < 1);

  FitOptions options = small_options();
  options.epochs = 8;
  options.optimizer = {SGD{.lr = range.suggestion}};
  CHECK(fit(model, small_split(), options).best_accuracy > 0.7);
}

TEST_CASE("find_lr leaves the model as it was, whatever happens") {
  Model untouched = small_model(), model = small_model();
  const std::string before = bytes_of(model.state_dict());
  FitOptions options = small_options();
  find_lr(model, small_data(90, 1), options);
  CHECK((bytes_of(model.state_dict()) == before));
  std::atomic<bool> stop = true;
  options.stop = &stop;
  CHECK(find_lr(model, small_data(90, 1), options).curve.empty());
  options.stop = nullptr;
  options.on_step = [](int64_t step, int64_t, double, double) {
    if (step == 3) throw Error("enough");
  };
  CHECK_THROWS_AS(find_lr(model, small_data(90, 1), options), Error);
  CHECK((bytes_of(model.state_dict()) == before));

  // So a fit after it is one without it.
  fit(untouched, small_split(), small_options());
  fit(model, small_split(), small_options());
  CHECK((bytes_of(model.state_dict()) == bytes_of(untouched.state_dict())));
}

TEST_CASE("find_lr stops where the loss diverges") {
  // Without normalization, so that a high rate does harm.
  Graph graph;
  Value x = graph.input("x", {kDynamic, 36});
  x = graph.add("relu1", ReLU{}, {graph.add("fc1", Linear{36, 32}, {x})});
  graph.output("y", graph.add("fc2", Linear{32, 3}, {x}));
  Model model(std::move(graph), {.threads = 1});
  Dataset data = small_data(90, 1);
  data.inputs = data.inputs.reshape({90, 36});
  FitOptions options = small_options();
  options.augmentation = {};
  const LrRange range = find_lr(model, data, options, {.max_lr = 1e6});
  CHECK(range.diverged);
  CHECK(range.curve.size() < 100);
  CHECK(range.suggestion < 10);
  // On the way to so high a rate that the loss is not finite at once.
  const LrRange overflow = find_lr(model, data, options, {.min_lr = 1e-3, .max_lr = 1e30, .steps = 5});
  CHECK(overflow.diverged);
  CHECK(std::isnan(overflow.suggestion));
}

TEST_CASE("find_lr says what cannot be") {
  Model model = small_model();
  const Dataset data = small_data(90, 1);
  const FitOptions options = small_options();
  CHECK_THROWS_WITH_AS(find_lr(model, data, options, {.min_lr = 0}), doctest::Contains("above 0"), Error);
  CHECK_THROWS_WITH_AS(find_lr(model, data, options, {.min_lr = 1, .max_lr = 0.1}), doctest::Contains("rise"),
                       Error);
  CHECK_THROWS_WITH_AS(find_lr(model, data, options, {.steps = 1}), doctest::Contains("2 steps"), Error);
  CHECK_THROWS_WITH_AS(find_lr(model, {}, options), doctest::Contains("no training data"), Error);
}
