#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "goldens/golden.hpp"
#include "pleat/pleat.hpp"

namespace pleat::test {
namespace {

Graph build_net() {
  Graph graph;
  Value x = graph.input("x", {kDynamic, 10});
  x = graph.add("fc1", Linear{10, 20}, {x});
  x = graph.add("bn1", BatchNorm1d{20}, {x});
  x = graph.add(ReLU{}, {x});
  graph.output("y", graph.add("fc2", Linear{20, 10}, {x}));
  return graph;
}

Graph build_custom(int64_t in_features, int64_t hidden, int64_t out_features) {
  Graph graph;
  Value x = graph.input("x", {kDynamic, in_features});
  x = graph.add("fc1", Linear{in_features, hidden}, {x});
  x = graph.add("bn1", BatchNorm1d{hidden}, {x});
  x = graph.add(ReLU{}, {x});
  x = graph.add("fc2", Linear{hidden, out_features}, {x});
  graph.output("y", graph.add("bn2", BatchNorm1d{out_features}, {x}));
  return graph;
}

/// `between`: what stands between the convolution and fc1.
Graph build_mymodel(int64_t size, const std::vector<Layer>& between) {
  Graph graph;
  Value x = graph.input("x", {kDynamic, 3, size, size});
  x = graph.add("conv1", Conv2d{3, 64, 3}, {x});
  x = graph.add("bn1", BatchNorm2d{64}, {x});
  x = graph.add(ReLU{}, {x});
  for (const Layer& layer : between) x = graph.add(layer, {x});
  x = graph.add("fc1", Linear{64, 10}, {x});
  graph.output("y", graph.add("bn2", BatchNorm1d{10}, {x}));
  return graph;
}

struct Tutorial {
  std::string name;
  std::function<Graph()> by_hand, built_in;
  Shape item;
  int batch_norms;
};

const std::vector<Tutorial>& tutorials() {
  static const std::vector<Tutorial> networks{
      {"net", build_net, models::net, {10}, 1},
      {"custom",
       [] { return build_custom(64, 128, 10); },
       [] { return models::custom(64, 128, 10); },
       {64},
       2},
      {"mymodel",
       [] { return build_mymodel(12, {GlobalAvgPool{}}); },
       [] { return models::mymodel(12); },
       {3, 12, 12},
       2},
  };
  return networks;
}

/// `count` items with values in [-1, 1) that differ with `salt`.
Tensor items(const Shape& item, int64_t count, uint32_t salt = 1) {
  std::vector<int64_t> dims{count};
  dims.insert(dims.end(), item.begin(), item.end());
  Tensor x{Shape(dims)};
  uint32_t bits = salt;
  for (float& value : x.span<float>()) {
    bits = bits * 1664525u + 1013904223u;
    value = static_cast<float>(bits >> 8) / (1 << 23) - 1;
  }
  return x;
}

Tensor state_of(const Model& model, std::string_view name) {
  const StateDict state = model.state_dict();
  const Tensor* tensor = find(state, name);
  REQUIRE(tensor != nullptr);
  return tensor->clone();
}

std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

void check_contains(const std::string& text, const std::string& part) {
  CAPTURE(text);
  CAPTURE(part);
  CHECK(text.find(part) != std::string::npos);
}

TEST_CASE("the tutorial's networks by hand are the built-in ones") {
  for (const Tutorial& network : tutorials()) {
    CAPTURE(network.name);
    Model by_hand(network.by_hand()), built_in(network.built_in());
    const StateDict a = by_hand.state_dict(), b = built_in.state_dict();
    REQUIRE(a.size() == b.size());
    for (size_t i = 0; i < a.size(); ++i) {
      CHECK(a[i].first == b[i].first);
      CHECK(a[i].second.shape() == b[i].second.shape());
    }
    built_in.load_state_dict(a);
    const Tensor x = items(network.item, 5);
    CHECK(deviation(by_hand(x), built_in(x)) == 0);
  }
}

TEST_CASE("parameters have PyTorch's names in PyTorch's order") {
  const std::vector<std::string> wanted{"fc1.weight",
                                        "fc1.bias",
                                        "bn1.weight",
                                        "bn1.bias",
                                        "bn1.running_mean",
                                        "bn1.running_var",
                                        "bn1.num_batches_tracked",
                                        "fc2.weight",
                                        "fc2.bias"};
  std::vector<std::string> names;
  for (const auto& [name, tensor] : Model(build_net()).state_dict()) names.push_back(name);
  CHECK(names == wanted);
}

TEST_CASE("training uses the batch's statistics, inference the running ones") {
  for (const Tutorial& network : tutorials()) {
    CAPTURE(network.name);
    Model model(network.by_hand());
    CHECK(model.training());
    const Tensor x = items(network.item, 6);
    const Tensor trained = model(x).clone();
    const Tensor mean = state_of(model, "bn1.running_mean");
    CHECK(state_of(model, "bn1.num_batches_tracked").span<int64_t>()[0] == 1);
    CHECK(deviation(Tensor(mean.shape()), mean) == 1);

    model.eval();
    CHECK(!model.training());
    const Tensor inferred = model(x).clone();
    CHECK(deviation(inferred, trained) > 1e-2);
    CHECK(deviation(state_of(model, "bn1.running_mean"), mean) == 0);
    CHECK(state_of(model, "bn1.num_batches_tracked").span<int64_t>()[0] == 1);

    // An item's result depends on its batch in training, and does not in inference.
    const Tensor wider = items(network.item, 8);
    const Tensor of_wider = model(wider);
    const size_t row = static_cast<size_t>(inferred.numel() / 6);
    for (size_t i = 0; i < 6 * row; ++i) {
      CHECK(of_wider.span<float>()[i] == doctest::Approx(inferred.span<float>()[i]).epsilon(1e-5));
    }
    model.train();
    const Tensor again = model(wider);
    double moved = 0;
    for (size_t i = 0; i < 6 * row; ++i) {
      moved =
          std::max(moved, std::abs(static_cast<double>(again.span<float>()[i]) - trained.span<float>()[i]));
    }
    CHECK(moved > 1e-3);
    CHECK(state_of(model, "bn1.num_batches_tracked").span<int64_t>()[0] == 2);
  }
}

TEST_CASE("a last batch normalization gives mean 0 and variance 1 over the training batch") {
  Model model(build_custom(64, 128, 10));
  const Tensor y = model(items({64}, 32));
  for (size_t column = 0; column < 10; ++column) {
    double sum = 0, squares = 0;
    for (size_t row = 0; row < 32; ++row) {
      const double value = y.span<float>()[row * 10 + column];
      sum += value;
      squares += value * value;
    }
    CHECK(std::abs(sum / 32) < 1e-6);
    CHECK(squares / 32 == doctest::Approx(1).epsilon(1e-2));
  }
}

TEST_CASE("running statistics move by momentum, with the unbiased variance") {
  Graph graph;
  const Value x = graph.input("x", {kDynamic, 2});
  graph.output("y", graph.add("bn1", BatchNorm1d{2}, {x}));
  Model model(std::move(graph));
  model(Tensor::from<float>({4, 2}, {1, 10, 2, 20, 3, 30, 6, 40}));
  const Tensor mean = state_of(model, "bn1.running_mean"), variance = state_of(model, "bn1.running_var");
  CHECK(mean.span<float>()[0] == doctest::Approx(0.1 * 3));
  CHECK(mean.span<float>()[1] == doctest::Approx(0.1 * 25));
  CHECK(variance.span<float>()[0] == doctest::Approx(0.9 + 0.1 * 14.0 / 3));
  CHECK(variance.span<float>()[1] == doctest::Approx(0.9 + 0.1 * 500.0 / 3));
}

TEST_CASE("a batch of one cannot train a batch normalization") {
  for (const Tutorial& network : tutorials()) {
    CAPTURE(network.name);
    Model model(network.by_hand());
    const Tensor one = items(network.item, 1);
    const Tensor mean = state_of(model, "bn1.running_mean");
    const std::string text = error_of([&] { model(one); });
    check_contains(text, "Expected more than 1 value per channel when training");
    check_contains(text, network.name == "mymodel" ? "bn2" : "bn1");
    CHECK(deviation(state_of(model, "bn1.running_mean"), mean) == 0);
    model.eval();
    CHECK(model(one).shape() == Shape{1, 10});
  }
}

TEST_CASE("folded inference equals unfolded inference") {
  for (const Tutorial& network : tutorials()) {
    CAPTURE(network.name);
    Model model(network.by_hand());
    for (uint32_t step = 0; step < 4; ++step) model(items(network.item, 16, step + 7));
    const Tensor x = items(network.item, 9, 3);
    model.eval();
    const Tensor folded = model(x).clone();
    CHECK(model.fold_report().folded() == network.batch_norms);
    CHECK(model.fold_report().left() == 0);
    model.set_fold(false);
    const Tensor unfolded = model(x).clone();
    CHECK(deviation(folded, unfolded) < 1e-5);
    model.train();
    CHECK(deviation(model(x), unfolded) > 1e-3);
  }
}

TEST_CASE("weights changed after eval() are seen by the next run") {
  for (const bool fold : {true, false}) {
    CAPTURE(fold);
    Model model(build_net());
    for (uint32_t step = 0; step < 3; ++step) model(items({10}, 16, step + 7));
    const Tensor x = items({10}, 5, 3);
    model.set_fold(fold).eval();
    const Tensor before = model(x).clone();

    Tensor bias = model.parameter("fc2.bias");
    bias.data<float>()[4] += 1;
    const Tensor moved = model(x).clone();
    for (size_t i = 0; i < 50; ++i) {
      const double wanted = before.span<float>()[i] + (i % 10 == 4 ? 1.0 : 0.0);
      CHECK(moved.span<float>()[i] == doctest::Approx(wanted).epsilon(1e-5));
    }

    // The same through what folds: a batch normalization of weight 0 gives its bias everywhere.
    for (float& value : model.parameter("bn1.weight").span<float>()) value = 0;
    for (float& value : model.parameter("bn1.bias").span<float>()) value = 1;
    const Tensor constant = model(x).clone();
    for (size_t i = 10; i < 50; ++i) {
      CHECK(constant.span<float>()[i] == doctest::Approx(constant.span<float>()[i - 10]));
    }
    CHECK(deviation(constant, moved) > 1e-3);

    StateDict state = Model(build_net(), {.seed = 11}).state_dict();
    model.load_state_dict(state);
    const Tensor loaded = model(x).clone();
    Model fresh(build_net(), {.seed = 11});
    fresh.set_fold(fold).eval();
    CHECK(deviation(loaded, fresh(x)) == 0);
  }
}

TEST_CASE("MyModel without its pool is a shape error that names the layer and both shapes") {
  const std::string without = error_of([] { build_mymodel(32, {}); });
  check_contains(without, "fc1");
  check_contains(without, "(N, 64, 30, 30)");
  check_contains(without, "64");
  const std::string flattened = error_of([] { build_mymodel(32, {Flatten{}}); });
  check_contains(flattened, "fc1");
  check_contains(flattened, "(N, 57600)");
  check_contains(flattened, "64");
  CHECK(error_of([] { build_mymodel(32, {GlobalAvgPool{}}); }) == "no error");
}

}  // namespace
}  // namespace pleat::test
