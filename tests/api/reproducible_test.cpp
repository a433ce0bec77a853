// A whole training run has the same bits on any number of threads.

#include <doctest/doctest.h>

#include "base/random.hpp"
#include "support/small_fit.hpp"

namespace pleat::test {
namespace {

/// Large enough that every step is cut between threads.
Model conv_model(int threads) {
  Graph graph;
  Value x = graph.input("x", {kDynamic, 3, 16, 16});
  x = graph.add("conv1", Conv2d{.in_channels = 3, .out_channels = 16, .kernel_size = 3, .padding = 1}, {x});
  x = graph.add("relu1", ReLU{}, {graph.add("bn1", BatchNorm2d{16}, {x})});
  Value y =
      graph.add("conv2", Conv2d{.in_channels = 16, .out_channels = 16, .kernel_size = 3, .padding = 1}, {x});
  y = graph.add("bn2", BatchNorm2d{16}, {y});
  x = graph.add("relu2", ReLU{}, {graph.add("add", Add{}, {x, y})});
  x = graph.add("pool1", MaxPool2d{2}, {x});
  x = graph.add("conv3",
                Conv2d{.in_channels = 16, .out_channels = 32, .kernel_size = 3, .stride = 2, .padding = 1},
                {x});
  x = graph.add("relu3", ReLU{}, {graph.add("bn3", BatchNorm2d{32}, {x})});
  x = graph.add("dropout1", Dropout{0.1}, {graph.add("pool2", GlobalAvgPool{}, {x})});
  graph.output("y", graph.add("fc", Linear{32, 10}, {x}));
  return Model(std::move(graph), {.seed = 2, .threads = threads});
}

Dataset noise(int64_t n, uint64_t seed) {
  Dataset data{Tensor({n, 3, 16, 16}), Tensor({n}, DType::i64), 10};
  Random random(seed);
  for (float& value : data.inputs.span<float>()) value = static_cast<float>(random.normal());
  for (int64_t& label : data.labels.span<int64_t>()) label = static_cast<int64_t>(random.below(10));
  return data;
}

/// FNV-1a.
uint64_t hash_of(const StateDict& state) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : bytes_of(state)) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  }
  return hash;
}

TEST_CASE("200 training steps end with the same weights on 1, 2, 3 and 8 threads") {
  const Split data{noise(640, 1), noise(40, 2)};
  FitOptions options;
  options.epochs = 10;
  options.batch_size = 32;  // 20 steps an epoch
  options.optimizer = {.method = SGD{.lr = 0.1, .nesterov = true, .weight_decay = 5e-4}, .clip_grad_norm = 5};
  options.schedule = {.kind = ScheduleKind::one_cycle};
  options.augmentation = {.crop_padding = 2, .flip = true};
  options.seed = 3;
  int64_t steps = 0;
  options.on_step = [&](int64_t step, int64_t, double, double) { steps = step; };
  const auto hash_on = [&](int threads) {
    Model model = conv_model(threads);
    const uint64_t fresh = hash_of(model.state_dict());
    fit(model, data, options);
    CHECK(steps == 200);
    const uint64_t trained = hash_of(model.state_dict());
    CHECK(trained != fresh);
    return trained;
  };
  const uint64_t one = hash_on(1);
  for (const int threads : {2, 3, 8}) {
    CAPTURE(threads);
    CHECK(hash_on(threads) == one);
  }
}

}  // namespace
}  // namespace pleat::test
