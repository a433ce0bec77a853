#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "goldens/golden.hpp"

namespace pleat::test {
namespace {

using nlohmann::json;

Graph network_of(const json& run) {
  if (!run.contains("model")) return graph_of(run.at("nodes"), run.at("inputs"));
  const auto name = run.at("model").get<std::string>();
  if (name == "custom") return models::custom(64, 128, 10);
  if (name == "mymodel") return models::mymodel(12);
  return models::build(name);
}

Loss loss_of(const json& run) {
  const json& from = run.at("loss");
  if (from.at("kind") == "mse") return {LossKind::mse};
  return {LossKind::cross_entropy, from.value("label_smoothing", 0.0)};
}

template <class Method>
Method adam_of(const json& from) {
  Method method;
  method.lr = from.at("lr");
  method.weight_decay = from.value("weight_decay", method.weight_decay);
  method.eps = from.value("eps", method.eps);
  if (from.contains("betas")) {
    method.beta1 = from.at("betas").at(0);
    method.beta2 = from.at("betas").at(1);
  }
  return method;
}

Optimizer optimizer_of(const json& run) {
  const json& from = run.at("optimizer");
  Optimizer optimizer;
  if (from.at("kind") == "sgd") {
    optimizer.method = SGD{from.at("lr"), from.at("momentum"), from.value("nesterov", false),
                           from.value("weight_decay", 0.0)};
  } else if (from.at("kind") == "adam") {
    optimizer.method = adam_of<Adam>(from);
  } else {
    optimizer.method = adam_of<AdamW>(from);
  }
  optimizer.decay_norm_and_bias = from.value("decay_norm_and_bias", true);
  optimizer.clip_grad_norm = from.value("clip_grad_norm", 0.0);
  return optimizer;
}

/// Rows begin, begin + 1, ... of `rows`, which start again at its end.
Tensor batch_of(const Tensor& rows, int64_t begin, int64_t count) {
  Shape shape = rows.shape();
  const int64_t total = shape[0];
  shape[0] = count;
  Tensor batch(shape, rows.dtype());
  const size_t row = rows.bytes() / static_cast<size_t>(total);
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(static_cast<std::byte*>(batch.raw()) + row * static_cast<size_t>(i),
                static_cast<const std::byte*>(rows.raw()) + row * static_cast<size_t>((begin + i) % total),
                row);
  }
  return batch;
}

void follow(const GoldenFile& file, const json& run) {
  const auto name = run.at("name").get<std::string>();
  Model model(network_of(run));
  model.load_state_dict(file.group(run.at("init")));
  Trainer trainer(model, loss_of(run), optimizer_of(run));
  const Tensor& x = file.tensor(run.at("data").get<std::string>() + "/x");
  const Tensor& target = file.tensor(run.at("data").get<std::string>() + "/target");
  const int64_t steps = run.at("steps"), batch = run.at("batch");
  std::vector<double> losses;
  for (int64_t step = 0; step < steps; ++step) {
    losses.push_back(trainer.step(batch_of(x, step * batch, batch), batch_of(target, step * batch, batch),
                                  run.at("lr_factor").at(static_cast<size_t>(step)).get<double>()));
  }
  for (const double loss : losses) REQUIRE(std::isfinite(loss));
  for (const std::string precision : {"/loss64", "/loss32"}) {
    CAPTURE(precision);
    const auto wanted = file.tensor(name + precision).span<double>();
    REQUIRE(wanted.size() == losses.size());
    CHECK(loss_deviation(losses, wanted) < 1e-4);
  }
  for (const json& what : run.at("compare")) {
    if (what == "final") {
      const StateDict state = model.state_dict();
      const StateDict finals = file.group(name + "/final");
      REQUIRE(finals.size() == state.size());
      for (const auto& [key, wanted] : finals) {
        CAPTURE(key);
        const Tensor* got = find(state, key);
        REQUIRE(got != nullptr);
        CHECK(deviation(*got, wanted) < 1e-5);
      }
    } else if (what == "eval") {
      for (const bool fold : {true, false}) {
        model.set_fold(fold).eval();
        CHECK(deviation(model(x), file.tensor(name + "/eval_out")) < 1e-5);
      }
    }
  }
}

TEST_CASE("training runs follow PyTorch's") {
  const GoldenFile file("training");
  CHECK(file.cases().size() == 19);
  const std::string active = active_isa();
  for (const std::string& isa : available_isas()) {
    set_isa(isa);
    CAPTURE(isa);
    for (const json& run : file.cases()) {
      CAPTURE(run.at("name").get<std::string>());
      follow(file, run);
    }
  }
  set_isa(active);
}

}  // namespace
}  // namespace pleat::test
