#pragma once

#include <functional>
#include <vector>

#include "base/random.hpp"
#include "pleat/train.hpp"

namespace pleat::test {

/// A small network with batch normalization and dropout for images (N, 1, 6, 6) of 3 classes.
inline Model small_model(int threads = 1, uint64_t seed = 7) {
  Graph graph;
  Value x = graph.input("x", {kDynamic, 1, 6, 6});
  x = graph.add("conv1", Conv2d{1, 8, 3}, {x});
  x = graph.add("bn1", BatchNorm2d{8}, {x});
  x = graph.add("relu1", ReLU{}, {x});
  x = graph.add("dropout1", Dropout{0.1}, {x});
  x = graph.add("conv2", Conv2d{8, 3, 3}, {x});
  graph.output("y", graph.add("pool", GlobalAvgPool{}, {x}));
  return Model(std::move(graph), {.seed = seed, .threads = threads});
}

/// Noise, brighter in two rows of each image: 0 and 1, 2 and 3, or 4 and 5 tell its class.
inline Dataset small_data(int64_t n, uint64_t seed) {
  Dataset data{Tensor({n, 1, 6, 6}), Tensor({n}, DType::i64), 3};
  Random random(seed);
  for (int64_t i = 0; i < n; ++i) {
    const int64_t label = static_cast<int64_t>(random.below(3));
    data.labels.data<int64_t>()[i] = label;
    for (int64_t p = 0; p < 36; ++p) {
      data.inputs.data<float>()[i * 36 + p] = static_cast<float>(random.uniform(-1, 1) + (p / 12 == label));
    }
  }
  return data;
}

inline Split small_split() {
  return {small_data(90, 1), small_data(60, 2)};
}

/// Every kind of randomness, a schedule, momentum, and a last batch of 10.
inline FitOptions small_options(const std::filesystem::path& out = {}) {
  FitOptions options;
  options.epochs = 4;
  options.batch_size = 16;
  options.optimizer = {SGD{.lr = 0.1, .nesterov = true, .weight_decay = 1e-4}};
  options.schedule = {.kind = ScheduleKind::cosine, .warmup_epochs = 0.5};
  options.augmentation = {.crop_padding = 1, .flip = true};
  options.seed = 3;
  options.out = out;
  return options;
}

/// Every byte of a state dict's tensors.
inline std::string bytes_of(const StateDict& state) {
  std::string bytes;
  for (const auto& [name, tensor] : state) {
    bytes.append(static_cast<const char*>(tensor.raw()), tensor.bytes());
  }
  return bytes;
}

/// What the test program does when called as "fit_process FOLDER": fit with resume, slowly, saving after
/// every second step. For a test to kill.
int fit_process(const std::filesystem::path& folder);

}  // namespace pleat::test
