#include "pleat/model.hpp"

#include <doctest/doctest.h>

#include <cstring>

#include "pleat/models.hpp"
#include "support/model_tools.hpp"

namespace pleat {
namespace {

using test::random_tensor;
using test::randomize;
using test::relative_error;

Tensor input_for(const Model& model, const std::string& name, int64_t batch) {
  Shape shape = model.graph().shape(model.graph().inputs()[0]);
  const models::Sizes sizes = models::default_sizes(name);
  const int64_t side = std::min<int64_t>(sizes.height, 32);
  shape[0] = batch;
  if (shape.rank() == 4) shape = {batch, shape[1], side, side};
  return random_tensor(shape, 3);
}

TEST_CASE("model: every built-in model folds whole, with the results of the unfolded one") {
  for (const std::string& name : models::names()) {
    INFO(name);
    Model model(models::build(name), {.seed = 1});
    const Tensor x = input_for(model, name, 4);
    for (int i = 0; i < 3; ++i)
      model(x);  // statistics of the data, so that values neither grow nor vanish with depth
    model.eval();
    const Tensor folded = model(x);
    CHECK(model.fold_report().left() == 0);
    CHECK(model.fold_report().folded() > 0);
    model.set_fold(false);
    // Random scales of both signs let deep networks' values grow and cancel: 1e-3 of the largest is still
    // agreement.
    CHECK(relative_error(folded, model(x)) < 1e-3);
  }
}

TEST_CASE("model: the same bits on 1, 2, 3 and 8 threads, in training and inference") {
  for (const char* name : {"custom", "mymodel", "resnet20"}) {
    std::vector<Tensor> first;
    for (const int threads : {1, 2, 3, 8}) {
      Model model(models::build(name), {.seed = 1, .threads = threads});
      const Tensor x = input_for(model, name, 5);
      const Tensor trained = model(x);
      const Tensor inferred = model.eval()(x);
      if (first.empty()) first = {trained, inferred};
      INFO(name, ", threads ", threads);
      CHECK(std::memcmp(trained.raw(), first[0].raw(), trained.bytes()) == 0);
      CHECK(std::memcmp(inferred.raw(), first[1].raw(), inferred.bytes()) == 0);
    }
  }
}

TEST_CASE("model: the folded copy is made again when a weight changed, however it changed") {
  Model model(models::net(), {.seed = 1});
  model.eval();
  const Tensor x = random_tensor({3, 10}, 2);
  const Tensor before = model(x);
  model.parameter("fc2.bias").data<float>()[0] += 3;
  const Tensor written = model(x);
  CHECK(relative_error(written, before) > 1e-3);
  StateDict other = Model(models::net(), {.seed = 9}).state_dict();
  model.load_state_dict(other);
  const Tensor loaded = model(x);
  CHECK(relative_error(loaded, written) > 1e-3);
  model.train();
  model(x);  // moves the running statistics
  CHECK(relative_error(model.eval()(x), loaded) > 1e-6);
}

TEST_CASE("model: loading checks everything before it changes anything") {
  Model model(models::net());
  StateDict state;
  for (const auto& [name, tensor] : model.state_dict()) state.emplace_back(name, tensor.clone());
  const Tensor before = model.parameter("fc1.weight").clone();

  StateDict missing(state.begin() + 1, state.end());
  CHECK_THROWS_WITH_AS(model.load_state_dict(missing), doctest::Contains("'fc1.weight' is missing"), Error);
  StateDict unknown = state;
  unknown.emplace_back("fc9.weight", Tensor({1}));
  CHECK_THROWS_WITH_AS(model.load_state_dict(unknown), doctest::Contains("no 'fc9.weight'"), Error);
  StateDict wrong = state;
  wrong.back().second = Tensor({3, 3});
  wrong.front().second = random_tensor({20, 10}, 5);
  CHECK_THROWS_WITH_AS(model.load_state_dict(wrong), doctest::Contains("(3, 3)"), Error);
  CHECK(std::memcmp(before.raw(), std::as_const(model).state_dict()[0].second.raw(), before.bytes()) == 0);
}

TEST_CASE("model: a frozen layer keeps its statistics and uses them while the rest trains") {
  Model model(models::custom(6, 8, 4), {.seed = 2});
  randomize(model, 4);
  model.freeze("bn1");
  const Tensor mean1 = model.parameter("bn1.running_mean").clone(),
               mean2 = model.parameter("bn2.running_mean").clone();
  model(random_tensor({16, 6}, 1));
  CHECK(relative_error(model.parameter("bn1.running_mean"), mean1) == 0);
  CHECK(relative_error(model.parameter("bn2.running_mean"), mean2) > 1e-3);
  model.freeze("bn1", false);
  model(random_tensor({16, 6}, 1));
  CHECK(relative_error(model.parameter("bn1.running_mean"), mean1) > 1e-3);
  CHECK_THROWS_WITH_AS(model.freeze("bn7"), doctest::Contains("no layer 'bn7'"), Error);
}

TEST_CASE("model: what does not fit is an Error that says what was given and needed") {
  Model model(models::net());
  CHECK_THROWS_WITH_AS(model(Tensor({4, 11})), doctest::Contains("must be (N, 10), got (4, 11)"), Error);
  CHECK_THROWS_WITH_AS(model(Tensor({4, 10}, DType::f64)), doctest::Contains("must hold f32, got f64"),
                       Error);
  std::vector<Tensor> inputs = {Tensor({4, 10})}, outputs = {Tensor({4, 11})};
  CHECK_THROWS_WITH_AS(model.run(inputs, outputs), doctest::Contains("(4, 10)"), Error);
  CHECK_THROWS_WITH_AS(model.parameter("fc9.bias"), doctest::Contains("fc9.bias"), Error);
  CHECK_THROWS_WITH_AS(Model{Graph{}}, doctest::Contains("output"), Error);
  CHECK_THROWS_WITH_AS(models::build("resnet99"), doctest::Contains("resnet50"), Error);
}

TEST_CASE("model: layers() counts what the papers count") {
  const auto totals = [](Graph graph) {
    Model model(std::move(graph));
    int64_t parameters = 0;
    for (const LayerInfo& layer : model.layers()) parameters += layer.parameters;
    return parameters;
  };
  // torchvision's counts.
  CHECK(totals(models::resnet18()) == 11689512);
  CHECK(totals(models::resnet50()) == 25557032);
  CHECK(totals(models::mobilenetv2()) == 3504872);
  CHECK(totals(models::net()) == 10 * 20 + 20 + 40 + 20 * 10 + 10);
}

TEST_CASE("inference: another batch, training and back again, after weights were packed and let go") {
  Model model(models::build("mymodel"), {.threads = 2});
  model.eval();
  const Tensor one = test::random_tensor({1, 3, 32, 32}, 1), two = test::random_tensor({2, 3, 32, 32}, 2);
  const Tensor first = model(one), second = model(two);
  CHECK(test::relative_error(model(one), first) == 0);
  model.train();
  model(two);  // moves the running statistics
  model.eval();
  CHECK(test::relative_error(model(two), second) > 0);
  model.set_fold(false);
  const Tensor unfolded = model(two);
  model.set_fold(true);
  CHECK(test::relative_error(model(two), unfolded) < 1e-5);
}

}  // namespace
}  // namespace pleat
