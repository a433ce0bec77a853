// Training in small batches: options of built BatchNorms, frozen halves, accumulation, averaged weights.

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "pleat/batch_norm.hpp"
#include "pleat/error.hpp"
#include "pleat/models.hpp"
#include "pleat/onnx.hpp"
#include "pleat/safetensors.hpp"
#include "support/fault.hpp"
#include "support/model_tools.hpp"
#include "support/small_fit.hpp"
#include "support/temporary_folder.hpp"

namespace pleat::test {
namespace {

/// Several BatchNorms, and no dropout, whose draws depend on how a batch is cut.
Model plain_model(int64_t virtual_batch_size = 0, SingleValue single_value = SingleValue::error) {
  Graph graph;
  Value x = graph.input("x", {kDynamic, 1, 6, 6});
  x = graph.add("conv1", Conv2d{1, 8, 3}, {x});
  x = graph.add("bn1", BatchNorm2d{.num_features = 8, .virtual_batch_size = virtual_batch_size}, {x});
  x = graph.add("relu1", ReLU{}, {x});
  x = graph.add("conv2", Conv2d{8, 5, 3}, {x});
  x = graph.add("bn2", BatchNorm2d{.num_features = 5, .virtual_batch_size = virtual_batch_size}, {x});
  x = graph.add(GlobalAvgPool{}, {graph.add("relu2", ReLU{}, {x})});
  x = graph.add("fc", Linear{5, 3}, {x});
  x = graph.add(
      "bn3",
      BatchNorm1d{.num_features = 3, .virtual_batch_size = virtual_batch_size, .single_value = single_value},
      {x});
  graph.output("y", x);
  return Model(std::move(graph), {.seed = 7, .threads = 1});
}

struct Batch {
  explicit Batch(int64_t n, uint64_t seed = 1) {
    const Dataset data = small_data(n, seed);
    inputs = data.inputs;
    labels = data.labels;
  }
  Tensor inputs, labels;
};

std::string bytes(Model& model, const std::string& name) {
  return bytes_of({{name, model.parameter(name)}});
}

void check_close(const Model& a, const Model& b, double tolerance) {
  const StateDict left = a.state_dict(), right = b.state_dict();
  for (size_t i = 0; i < left.size(); ++i) {
    CAPTURE(left[i].first);
    CHECK(relative_error(left[i].second, right[i].second) <= tolerance);
  }
}

TEST_CASE("a BatchNorm's options are set by its name, also in a network from a file") {
  const TemporaryFolder folder;
  write_onnx(folder / "net.onnx", plain_model().graph());
  for (const bool from_file : {false, true}) {
    CAPTURE(from_file);
    Model model = from_file ? Model(read_onnx(folder / "net.onnx")) : plain_model();
    const std::vector<std::string> layers = batch_norm_layers(model);
    REQUIRE(layers.size() == 3);
    const Batch batch(16);
    model(batch.inputs);  // plans; what is set after that counts too
    Model moved = from_file ? Model(read_onnx(folder / "net.onnx")) : plain_model();
    moved.load_state_dict(model.state_dict());
    BatchNormOptions options = batch_norm_options(model, layers[1]);
    CHECK(options.momentum.value() == doctest::Approx(0.1));
    options.momentum = 0.0;
    set_batch_norm_options(model, layers[1], options);
    CHECK(batch_norm_options(model, layers[1]) == options);
    std::vector<std::string> states;
    for (const auto& [name, tensor] : model.state_dict()) {
      if (name.ends_with("running_mean")) states.push_back(name);
    }
    REQUIRE(states.size() == 3);
    const std::string first = bytes(model, states[0]), second = bytes(model, states[1]);
    model(batch.inputs);
    CHECK(bytes(model, states[0]) != first);
    CHECK(bytes(model, states[1]) == second);  // momentum 0

    CHECK(fault([&] { set_batch_norm_options(model, "bn9", {}); }) == "the model has no BatchNorm 'bn9'");
    options.momentum = 1.5;
    CHECK(fault([&] { set_batch_norm_options(model, layers[1], options); }) ==
          layers[1] + ": momentum must be in [0, 1], got 1.5");
    options = {.virtual_batch_size = -2};
    CHECK(fault([&] { set_batch_norm_options(model, layers[1], options); }).find("virtual_batch_size") !=
          std::string::npos);
    CHECK(batch_norm_options(model, layers[1]).momentum == 0.0);
  }
}

TEST_CASE("statistics freeze while weight and bias train, and the other way round") {
  const Batch batch(16);
  Model model = plain_model();
  model.freeze("bn1");
  model.set_requires_grad("bn2.weight", false);
  model.set_requires_grad("bn2.bias", false);
  Trainer trainer(model, {}, {SGD{}});
  const auto all = [&] {
    std::vector<std::string> values;
    for (const char* layer : {"bn1", "bn2", "bn3"}) {
      for (const char* what : {".weight", ".bias", ".running_mean", ".running_var"}) {
        values.push_back(bytes(model, std::string(layer) + what));
      }
    }
    return values;
  };
  const std::vector<std::string> before = all();
  for (int i = 0; i < 3; ++i) trainer.step(batch.inputs, batch.labels);
  const std::vector<std::string> after = all();
  const std::vector<bool> moved = {true,  true,  false, false,  // bn1: its statistics are frozen
                                   false, false, true,  true,   // bn2: its weight and bias are
                                   true,  true,  true,  true};
  for (size_t i = 0; i < moved.size(); ++i) {
    CAPTURE(i);
    CHECK((before[i] != after[i]) == moved[i]);
  }
}

TEST_CASE("a batch of one trains where BatchNorm may use its running statistics") {
  const Batch one(1);
  Model strict = plain_model(), lenient = plain_model(0, SingleValue::running);
  Trainer refused(strict, {}, {SGD{}});
  CHECK(fault([&] { refused.step(one.inputs, one.labels); }).find("bn3") != std::string::npos);
  Trainer trainer(lenient, {}, {SGD{}});
  CHECK(std::isfinite(trainer.step(one.inputs, one.labels)));
  CHECK(*lenient.parameter("bn1.num_batches_tracked").data<int64_t>() == 1);  // 16 values a channel
  CHECK(*lenient.parameter("bn3.num_batches_tracked").data<int64_t>() == 0);
}

TEST_CASE("micro-batches give the step of ghost batch normalization") {
  for (const Optimizer& optimizer :
       {Optimizer{SGD{.weight_decay = 1e-3}}, Optimizer{AdamW{.lr = 0.01, .eps = 1e-4}, true, 0.5}}) {
    for (const auto& [n, size] :
         {std::pair<int64_t, int64_t>{48, 16}, {40, 16}, {33, 16}, {5, 16}, {17, 16}}) {
      CAPTURE(optimizer.method.index());
      CAPTURE(n);
      Model whole = plain_model(size), cut = plain_model();
      if (n % size == 1) {  // an item alone joins the part before it; planes, which need not, stay out of it
        for (const char* layer : {"bn1", "bn2"}) whole.freeze(layer), cut.freeze(layer);
      }
      Optimizer accumulating = optimizer;
      accumulating.micro_batch_size = size;
      Trainer at_once(whole, {}, optimizer), in_parts(cut, {}, accumulating);
      for (int step = 0; step < 3; ++step) {
        const Batch batch(n, static_cast<uint64_t>(step) + 1);
        const double wanted = at_once.step(batch.inputs, batch.labels);
        CHECK(in_parts.step(batch.inputs, batch.labels) == doctest::Approx(wanted).epsilon(1e-5));
      }
      check_close(cut, whole, 2e-5);
      CHECK(in_parts.steps() == 3);
    }
  }
}

TEST_CASE("without batch statistics micro-batches give the step of the whole batch") {
  Model whole = plain_model(), cut = plain_model();
  for (Model* model : {&whole, &cut}) {
    for (const std::string& layer : batch_norm_layers(*model)) model->freeze(layer);
  }
  Trainer at_once(whole, {LossKind::mse}, {SGD{}}), in_parts(cut, {LossKind::mse}, {.micro_batch_size = 7});
  for (int step = 0; step < 3; ++step) {
    const Batch batch(24, static_cast<uint64_t>(step) + 1);
    const Tensor target = random_tensor({24, 3}, 4);
    CHECK(in_parts.step(batch.inputs, target) ==
          doctest::Approx(at_once.step(batch.inputs, target)).epsilon(1e-6));
  }
  check_close(cut, whole, 1e-5);
}

TEST_CASE("recomputation takes less memory") {
  Model model(models::resnet20(), {.threads = 1});
  const auto activations = [&](bool recompute) {
    Trainer trainer(model, {}, {.method = SGD{}, .recompute = recompute});
    return static_cast<double>(trainer.planned_memory({64, 3, 32, 32}, {64}).activations);
  };
  CHECK(activations(true) < 0.75 * activations(false));
}

TEST_CASE("recomputation: the same bits, and running statistics that move once a step") {
  for (const int64_t virtual_batch_size : {0, 6}) {
    for (const int64_t micro_batch_size : {0, 16}) {
      CAPTURE(virtual_batch_size);
      CAPTURE(micro_batch_size);
      Model kept = plain_model(virtual_batch_size), again = plain_model(virtual_batch_size);
      Optimizer optimizer = {.method = SGD{}, .micro_batch_size = micro_batch_size};
      Trainer keeping(kept, {}, optimizer);
      optimizer.recompute = true;
      Trainer recomputing(again, {}, optimizer);
      for (int step = 0; step < 3; ++step) {
        const Batch next(32, static_cast<uint64_t>(step) + 1);
        const double wanted = keeping.step(next.inputs, next.labels);
        CHECK(recomputing.step(next.inputs, next.labels) == wanted);
      }
      CHECK(bytes_of(again.state_dict()) == bytes_of(kept.state_dict()));
      const int64_t moves = *again.parameter("bn1.num_batches_tracked").data<int64_t>();
      CHECK(moves == *kept.parameter("bn1.num_batches_tracked").data<int64_t>());
    }
  }
}

TEST_CASE("a micro-batch whose loss is not finite leaves everything as it was") {
  Model model = plain_model();
  Trainer trainer(model, {}, {SGD{}, true, 0, /*micro_batch_size=*/8});
  Batch batch(24);
  trainer.step(batch.inputs, batch.labels);
  const std::string before = bytes_of(model.state_dict());
  batch.inputs.data<float>()[20 * 36] = NAN;
  CHECK(fault([&] { trainer.step(batch.inputs, batch.labels); }).find("item 20") != std::string::npos);
  CHECK(bytes_of(model.state_dict()) == before);
  CHECK(fault([&] { trainer.profile(batch.inputs, batch.labels); }) ==
        "training: a step of micro-batches cannot be profiled");
}

TEST_CASE("averaged weights follow the formula, from a copy of the first step's") {
  Model model = plain_model();
  Trainer trainer(model, {}, {.method = SGD{}, .ema_decay = 0.75});
  CHECK(fault([&] { trainer.averaged_state_dict(); }) ==
        "trainer: there are no averaged weights before the first step");
  std::vector<std::vector<double>> wanted;
  for (int step = 0; step < 4; ++step) {
    const Batch batch(16, static_cast<uint64_t>(step) + 1);
    trainer.step(batch.inputs, batch.labels);
    size_t i = 0;
    for (const auto& [name, tensor] : model.state_dict()) {
      const Tensor now = tensor.to(DType::f64);
      const auto values = now.span<double>();
      if (step == 0) wanted.emplace_back(values.begin(), values.end());
      for (size_t j = 0; j < values.size(); ++j) {
        double& average = wanted[i][j];
        average = tensor.dtype() == DType::i64 ? values[j] : 0.75 * average + 0.25 * values[j];
      }
      ++i;
    }
  }
  const StateDict averages = trainer.averaged_state_dict();
  REQUIRE(averages.size() == wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    CAPTURE(averages[i].first);
    CHECK(relative_error(averages[i].second, Tensor::from<double>(averages[i].second.shape(), wanted[i])) <
          1e-6);
  }
  CHECK(fault([] {
          Model other = plain_model();
          Trainer(other, {}, {}).averaged_state_dict();
        }) == "trainer: there are no averaged weights: the optimizer has no ema_decay");
}

FitOptions averaged_options(const std::filesystem::path& out) {
  FitOptions options = small_options(out);
  options.optimizer.ema_decay = 0.9;
  options.optimizer.micro_batch_size = 8;
  options.recalibrate_batches = 3;
  return options;
}

TEST_CASE("fit tests and keeps averaged, recalibrated weights, and resumes bit for bit") {
  const TemporaryFolder folder;
  const Split data = small_split();
  Model straight = small_model();
  FitOptions options = averaged_options(folder / "straight");
  std::vector<double> losses;
  options.on_epoch = [&](const EpochMetrics& epoch) { losses.push_back(epoch.test_loss); };
  fit(straight, data, options);

  // Stopped after each step in turn, and gone on with.
  Model stopped = small_model();
  FitOptions pieces = averaged_options(folder / "pieces");
  pieces.resume = true;
  std::atomic<bool> stop = false;
  pieces.stop = &stop;
  int64_t last_step = 0;
  pieces.on_step = [&](int64_t step, int64_t, double, double) { stop = step >= last_step + 7; };
  FitResult result{.interrupted = true};
  for (int tries = 0; result.interrupted && tries < 20; ++tries) {
    stop = false;
    Model fresh = small_model();
    result = fit(fresh, data, pieces);
    last_step += 7;
    stopped.load_state_dict(fresh.state_dict());
  }
  REQUIRE(!result.interrupted);
  CHECK(bytes_of(stopped.state_dict()) == bytes_of(straight.state_dict()));
  for (const char* file : {"last.safetensors", "best.safetensors"}) {
    CAPTURE(file);
    CHECK(bytes_of(read_safetensors(folder / "straight" / file).tensors) ==
          bytes_of(read_safetensors(folder / "pieces" / file).tensors));
  }

  // The best is none of training's own weights, and its loss is the one that was told.
  Model best = small_model();
  best.load_state_dict(read_safetensors(folder / "straight/best.safetensors").tensors);
  const double loss = evaluate(best, data.test).loss;
  CHECK(std::ranges::count(losses, loss) == 1);
  CHECK(*best.parameter("bn1.num_batches_tracked").data<int64_t>() == 3);
  CHECK(bytes_of(best.state_dict()) != bytes_of(straight.state_dict()));

  FitOptions other = averaged_options(folder / "straight");
  other.resume = true;
  other.optimizer.ema_decay = 0.5;
  Model again = small_model();
  CHECK(fault([&] { fit(again, data, other); }).find("ema_decay") != std::string::npos);
  other = averaged_options(folder / "straight");
  other.resume = true;
  set_batch_norm_options(again, "bn1", {.virtual_batch_size = 4});
  CHECK(fault([&] { fit(again, data, other); }).find("virtual_batch_size") != std::string::npos);
}

TEST_CASE(
    "small batches with ghost statistics, renormalization and averages give the same bits on any threads") {
  std::string one;
  for (const int threads : {1, 2, 3, 8}) {
    Model model = small_model(threads);
    set_batch_norm_options(model, "bn1", {.virtual_batch_size = 3, .renorm = BatchRenorm{.ramp_begin = 0}});
    Trainer trainer(model, {}, {.method = SGD{}, .micro_batch_size = 20, .ema_decay = 0.9});
    for (int step = 0; step < 5; ++step) {
      const Batch batch(50, static_cast<uint64_t>(step));
      trainer.step(batch.inputs, batch.labels);
    }
    const std::string now = bytes_of(model.state_dict()) + bytes_of(trainer.state_dict());
    if (threads == 1) one = now;
    CHECK(now == one);
  }
}

}  // namespace
}  // namespace pleat::test
