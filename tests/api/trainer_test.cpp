#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include "pleat/train.hpp"
#include "support/fault.hpp"
#include "support/small_fit.hpp"

using namespace pleat;
using namespace pleat::test;

namespace {

/// The batch of items i*16.. of the small data.
struct Batch {
  explicit Batch(int64_t i, int64_t size = 16) {
    std::vector<int64_t> positions(static_cast<size_t>(size));
    std::iota(positions.begin(), positions.end(), i * 16);
    make_batch(small_data(320, 1), positions, {}, 0, inputs, labels);
  }
  Tensor inputs, labels;
};

std::string weights(const Model& model) {
  return bytes_of(model.state_dict());
}

}  // namespace

TEST_CASE("trainer lowers the loss with every optimizer") {
  for (const Optimizer& optimizer :
       {Optimizer{SGD{}}, Optimizer{SGD{.momentum = 0}}, Optimizer{SGD{.nesterov = true}, false, 1.0},
        Optimizer{Adam{.lr = 0.01}}, Optimizer{AdamW{.lr = 0.01}, true, 1.0}}) {
    CAPTURE(optimizer.method.index());
    Model model = small_model();
    Trainer trainer(model, {}, optimizer);
    const Batch batch(0, 64);
    const double first = trainer.step(batch.inputs, batch.labels);
    double last = first;
    for (int i = 0; i < 30; ++i) last = trainer.step(batch.inputs, batch.labels);
    CHECK(last < 0.8 * first);
    CHECK(trainer.steps() == 31);
  }
}

TEST_CASE("a trainer's step on a network of one weight is the formula's") {
  // y = w * x over a 1x1 image and two channels (w, 0); loss = mean (y - target)^2.
  Graph graph;
  Value x = graph.input("x", {kDynamic, 1, 1, 1});
  x = graph.add("conv", Conv2d{.in_channels = 1, .out_channels = 1, .kernel_size = 1, .bias = false}, {x});
  graph.output("y", graph.add(GlobalAvgPool{}, {x}));
  Model model(std::move(graph));
  model.parameter("conv.weight").data<float>()[0] = 2;
  Trainer trainer(model, {LossKind::mse}, {SGD{.lr = 0.1, .momentum = 0.5}});
  const Tensor input = Tensor::from<float>({2, 1, 1, 1}, {1, 3}),
               target = Tensor::from<float>({2, 1}, {0, 0});
  // loss = (w^2 + 9 w^2) / 2 = 5 w^2, gradient 10 w.
  CHECK(trainer.step(input, target) == doctest::Approx(20));
  CHECK(model.parameter("conv.weight").data<float>()[0] == doctest::Approx(2 - 0.1 * 20));
  model.parameter("conv.weight").data<float>()[0] = 1;
  CHECK(trainer.step(input, target, /*lr_factor=*/0.5) == doctest::Approx(5));
  CHECK(model.parameter("conv.weight").data<float>()[0] == doctest::Approx(1 - 0.05 * (0.5 * 20 + 10)));
}

TEST_CASE("20 steps give the same bits on 1, 2, 3 and 8 threads") {
  std::string expected;
  for (int threads : {1, 2, 3, 8}) {
    CAPTURE(threads);
    Model model = small_model(threads);
    Trainer trainer(model, {.label_smoothing = 0.1}, {Adam{}, true, 1.0});
    for (int64_t i = 0; i < 20; ++i) {
      const Batch batch(i);
      trainer.step(batch.inputs, batch.labels);
    }
    const std::string got = weights(model) + bytes_of(trainer.state_dict());
    if (threads == 1) expected = got;
    CHECK((got == expected));
  }
}

TEST_CASE("a trainer goes on from its state with the same bits") {
  for (const Optimizer& optimizer : {Optimizer{SGD{}}, Optimizer{AdamW{}, true, 0.5}}) {
    Model whole = small_model();
    Trainer trainer(whole, {}, optimizer);
    StateDict weights_then, state_then;
    for (int64_t i = 0; i < 10; ++i) {
      if (i == 5) {
        for (const auto& [name, tensor] : whole.state_dict()) weights_then.emplace_back(name, tensor.clone());
        for (const auto& [name, tensor] : trainer.state_dict()) state_then.emplace_back(name, tensor.clone());
      }
      const Batch batch(i);
      trainer.step(batch.inputs, batch.labels);
    }
    Model resumed = small_model(1, 7);
    Trainer continued(resumed, {}, optimizer);
    resumed.load_state_dict(weights_then);
    continued.load_state_dict(state_then);
    CHECK(continued.steps() == 5);
    for (int64_t i = 5; i < 10; ++i) {
      const Batch batch(i);
      continued.step(batch.inputs, batch.labels);
    }
    CHECK((weights(resumed) == weights(whole)));
    CHECK((bytes_of(continued.state_dict()) == bytes_of(trainer.state_dict())));
  }
}

TEST_CASE("a trainer's state has PyTorch's names") {
  Model model = small_model();
  const StateDict sgd = Trainer(model, {}, {SGD{}}).state_dict();
  CHECK(find(sgd, "optimizer.conv1.weight.momentum_buffer")->shape() == Shape{8, 1, 3, 3});
  CHECK(find(sgd, "optimizer.bn1.bias.momentum_buffer")->shape() == Shape{8});
  CHECK(find(sgd, "optimizer.step")->dtype() == DType::i64);
  const StateDict adam = Trainer(model, {}, {Adam{}}).state_dict();
  CHECK(find(adam, "optimizer.bn1.weight.exp_avg") != nullptr);
  CHECK(find(adam, "optimizer.bn1.weight.exp_avg_sq") != nullptr);
}

TEST_CASE("a trainer refuses a state that does not fit, and keeps its own") {
  Model model = small_model();
  Trainer trainer(model, {}, {SGD{}});
  const Batch batch(0);
  trainer.step(batch.inputs, batch.labels);
  const std::string before = bytes_of(trainer.state_dict());
  StateDict state = trainer.state_dict();
  state[0].second = Tensor({1});
  CHECK(contains(fault([&] { trainer.load_state_dict(state); }), "optimizer.conv1.weight.momentum_buffer"));
  state.erase(state.begin());
  CHECK(contains(fault([&] { trainer.load_state_dict(state); }), "is missing"));
  state.emplace_back("optimizer.other", Tensor({1}));
  CHECK(contains(fault([&] { trainer.load_state_dict(state); }), "no 'optimizer.other'"));
  CHECK((bytes_of(trainer.state_dict()) == before));
}

TEST_CASE("a step that fails names step and cause and changes nothing") {
  for (const Optimizer& optimizer : {Optimizer{SGD{}}, Optimizer{Adam{}, true, 1.0}}) {
    Model model = small_model();
    Trainer trainer(model, {}, optimizer);
    const Batch good(0);
    trainer.step(good.inputs, good.labels);
    const std::string before = weights(model) + bytes_of(trainer.state_dict());
    for (float bad : {NAN, INFINITY}) {
      Batch batch(1);
      batch.inputs.data<float>()[5 * 36 + 7] = bad;
      const std::string text = fault([&] { trainer.step(batch.inputs, batch.labels); });
      CAPTURE(text);
      CHECK(contains(text, "at step 2"));
      CHECK(contains(text, "item 5 of the batch's input holds"));
      CHECK((weights(model) + bytes_of(trainer.state_dict()) == before));
    }
    trainer.step(good.inputs, good.labels);  // and goes on
    CHECK(trainer.steps() == 2);
  }
}

TEST_CASE("a trainer refuses batches and labels that cannot be") {
  Model model = small_model();
  Trainer trainer(model, {}, {});
  const Batch good(0);
  const std::string before = weights(model);
  for (int64_t bad : {-1, 3}) {
    Batch batch(0);
    batch.labels.data<int64_t>()[4] = bad;
    const std::string text = fault([&] { trainer.step(batch.inputs, batch.labels); });
    CAPTURE(text);
    CHECK(contains(text, "label " + std::to_string(bad) + " at position 4"));
  }
  CHECK(contains(fault([&] { trainer.step(good.inputs, Tensor({16})); }), "must hold i64, got f32"));
  CHECK(contains(fault([&] { trainer.step(good.inputs, Tensor({15}, DType::i64)); }), "one label an item"));
  CHECK(contains(fault([&] { trainer.step(Tensor({16, 1, 6}), good.labels); }), "input x must be"));
  CHECK(contains(fault([&] { trainer.step(Tensor({0, 1, 6, 6}), Tensor({0}, DType::i64)); }), "empty"));
  CHECK((weights(model) == before));
}

TEST_CASE("a trainer refuses options that cannot be") {
  Model model = small_model();
  CHECK_THROWS_AS(Trainer(model, {}, {SGD{.lr = -1}}), Error);
  CHECK_THROWS_AS(Trainer(model, {}, {SGD{.lr = NAN}}), Error);
  CHECK_THROWS_AS(Trainer(model, {}, {SGD{.momentum = 0, .nesterov = true}}), Error);
  CHECK_THROWS_AS(Trainer(model, {}, {Adam{.beta1 = 1}}), Error);
  CHECK_THROWS_AS(Trainer(model, {.label_smoothing = 1.5}, {}), Error);
}

TEST_CASE("frozen layers and parameters without gradient stay as they are") {
  Model model = small_model();
  Trainer trainer(model, {}, {SGD{}});
  const Batch batch(0);
  trainer.step(batch.inputs, batch.labels);
  model.set_requires_grad("conv1.weight", false);
  model.freeze("bn1");
  const auto bytes = [&](const char* name) { return bytes_of({{name, model.parameter(name)}}); };
  const std::string conv1 = bytes("conv1.weight"), mean = bytes("bn1.running_mean"),
                    conv2 = bytes("conv2.weight");
  trainer.step(batch.inputs, batch.labels);
  CHECK((bytes("conv1.weight") == conv1));
  CHECK((bytes("bn1.running_mean") == mean));
  CHECK((bytes("conv2.weight") != conv2));
  model.freeze("bn1", false);
  trainer.step(batch.inputs, batch.labels);
  CHECK((bytes("bn1.running_mean") != mean));
}

TEST_CASE("a bias that the batch's mean takes away again stays as it is, until that mean is frozen") {
  Model model = small_model();
  Trainer trainer(model, {}, {SGD{.lr = 0.1}});
  const Batch batch(0);
  const auto bias = [&] { return bytes_of({{"conv1.bias", model.parameter("conv1.bias")}}); };
  const std::string before = bias();
  trainer.step(batch.inputs, batch.labels);
  CHECK((bias() == before));
  model.freeze("bn1");
  trainer.step(batch.inputs, batch.labels);
  CHECK((bias() != before));
}

TEST_CASE("weight decay can spare batch normalization and biases") {
  // At lr_factor 1 with a zero gradient only decay moves a weight: a batch whose loss is flat does not exist
  // here, so two runs that differ in decay alone are compared.
  const auto after = [](double decay, bool all, const char* name) {
    Model model = small_model();
    Trainer trainer(model, {}, {SGD{.weight_decay = decay}, all});
    const Batch batch(0);
    trainer.step(batch.inputs, batch.labels);
    return bytes_of({{name, model.parameter(name)}});
  };
  for (const char* name : {"bn1.weight", "conv1.bias"}) {
    CHECK((after(0.1, false, name) == after(0, false, name)));
    CHECK((after(0.1, true, name) != after(0, true, name)));
  }
  CHECK((after(0.1, false, "conv1.weight") != after(0, false, "conv1.weight")));
}

TEST_CASE("evaluate counts what it should") {
  Graph graph;
  graph.output("y", graph.add(Flatten{}, {graph.input("x", {kDynamic, 3})}));
  Model model(std::move(graph));
  Dataset data{Tensor::from<float>({3, 3}, {0, 1, 0, 5, 0, 0, NAN, 0, 0}),
               Tensor::from<int64_t>({3}, {1, 2, 0}), 3};
  const Evaluation two = evaluate(model, data.select(std::vector<int64_t>{0, 1}), 1);
  CHECK(two.accuracy == 0.5);
  const double first = std::log(2 + std::exp(1.0)) - 1, second = std::log(std::exp(5.0) + 2);
  CHECK(two.loss == doctest::Approx((first + second) / 2).epsilon(1e-9));
  CHECK(model.training());
  CHECK(evaluate(model, data).accuracy == doctest::Approx(1.0 / 3));  // NaN is never right
  data.labels.data<int64_t>()[1] = 3;
  CHECK(contains(fault([&] { evaluate(model, data); }), "label 3 at position 1"));
  CHECK(model.training());
}

TEST_CASE("predict and evaluate reach every item where the batch is fixed and does not divide their number") {
  Graph graph;
  graph.output("y", graph.add(Flatten{}, {graph.input("x", {2, 3})}));
  Model model(std::move(graph));
  const Tensor inputs = Tensor::from<float>({3, 3}, {0, 1, 1, 5, 0, 0, 0, 0, 7});
  const Tensor classes = predict(model, inputs);
  REQUIRE(classes.shape() == Shape{3});
  CHECK((std::vector<int64_t>(classes.span<int64_t>().begin(), classes.span<int64_t>().end()) ==
         std::vector<int64_t>{1, 0, 2}));
  CHECK(model.training());
  CHECK(evaluate(model, {inputs, Tensor::from<int64_t>({3}, {0, 1, 2}), 3}).accuracy ==
        doctest::Approx(1.0 / 3));
  CHECK(contains(fault([&] { predict(model, Tensor({0, 3})); }), "predict: the data set is empty"));
  CHECK(contains(fault([&] { predict(model, inputs, 0); }), "predict: the batch size"));
}
