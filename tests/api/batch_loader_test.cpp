#include "api/batch_loader.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "support/small_fit.hpp"

using namespace pleat;
using namespace pleat::test;

namespace {

void make_number(int64_t number, Batch& batch) {
  if (!batch.labels.defined()) batch.labels = Tensor({1}, DType::i64);
  *batch.labels.data<int64_t>() = number;
}

int64_t number_of(const Batch& batch) {
  return *batch.labels.data<int64_t>();
}

/// Items large enough for the loader's thread: 16 of 1 x 64 x 64 floats are 256 KiB.
Split large_split() {
  Split split = small_split();
  for (Dataset* data : {&split.train, &split.test}) {
    const int64_t n = data->size();
    Tensor inputs({n, 1, 64, 64});
    for (int64_t i = 0; i < inputs.numel(); ++i) {
      const int64_t item = i / 4096;
      inputs.data<float>()[i] = data->inputs.span<float>()[static_cast<size_t>(item * 36 + i % 36)];
    }
    data->inputs = inputs;
  }
  return split;
}

Model large_model(int threads) {
  Graph graph;
  Value x = graph.input("x", {kDynamic, 1, 64, 64});
  x = graph.add("conv1", Conv2d{1, 4, 3, 2}, {x});
  x = graph.add("bn1", BatchNorm2d{4}, {x});
  x = graph.add("relu1", ReLU{}, {x});
  x = graph.add("pool", GlobalAvgPool{}, {x});
  graph.output("y", graph.add("fc", Linear{4, 3}, {x}));
  return Model(std::move(graph), {.seed = 7, .threads = threads});
}

}  // namespace

TEST_CASE("batch loader: every batch once and in order, ahead or not") {
  for (const bool ahead : {false, true}) {
    BatchLoader loader(3, 40, make_number, ahead);
    for (int64_t i = 3; i < 40; ++i) CHECK(number_of(loader.next()) == i);
  }
}

TEST_CASE("batch loader: the next batch is made while one is in use, and no more than that") {
  std::atomic<int64_t> made = 0;
  const auto wait_for = [&](int64_t count) {
    while (made < count) std::this_thread::yield();
  };
  BatchLoader loader(
      0, 100,
      [&](int64_t number, Batch& batch) {
        make_number(number, batch);
        ++made;
      },
      /*ahead=*/true);
  wait_for(1);
  for (int64_t i = 0; i < 5; ++i) {
    const Batch& batch = loader.next();
    wait_for(i + 2);  // without another call of next()
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    CHECK(made == i + 2);
    CHECK(number_of(batch) == i);
  }
}

TEST_CASE("batch loader: an error comes where its batch was wanted, and stays") {
  for (const bool ahead : {false, true}) {
    CAPTURE(ahead);
    BatchLoader loader(
        0, 10,
        [](int64_t number, Batch& batch) {
          if (number == 2) throw std::runtime_error("batch 2 is broken");
          make_number(number, batch);
        },
        ahead);
    CHECK(number_of(loader.next()) == 0);
    CHECK(number_of(loader.next()) == 1);
    CHECK_THROWS_WITH(loader.next(), "batch 2 is broken");
    CHECK_THROWS_WITH(loader.next(), "batch 2 is broken");
  }
}

TEST_CASE("batch loader: it may end at any moment") {
  for (int64_t taken = 0; taken < 4; ++taken) {
    BatchLoader loader(0, 1000, make_number, /*ahead=*/true);
    for (int64_t i = 0; i < taken; ++i) loader.next();
  }
  BatchLoader none(5, 5, make_number, /*ahead=*/true);
}

TEST_CASE("fit: loading ahead leaves the bits as they are, stops when asked, and carries errors over") {
  const Split data = large_split();
  const auto trained = [&](bool ahead, int threads, int64_t stop_at) {
    FitOptions options = small_options();
    options.load_ahead = ahead;
    options.epochs = 3;
    std::atomic<bool> stop = false;
    options.stop = &stop;
    options.on_step = [&](int64_t step, int64_t, double, double) { stop = step == stop_at; };
    Model model = large_model(threads);
    CHECK(fit(model, data, options).interrupted == (stop_at > 0));
    return bytes_of(model.state_dict());
  };
  const std::string whole = trained(false, 1, 0);
  CHECK((trained(true, 1, 0) == whole));
  CHECK((trained(true, 3, 0) == whole));
  CHECK((trained(true, 2, 7) == trained(false, 2, 7)));

  FitOptions options = small_options();
  options.augmentation.crop_padding = 65;
  Model model = large_model(1);
  CHECK_THROWS_WITH_AS(fit(model, data, options), doctest::Contains("crop padding must be from 0 to 64"),
                       Error);
}
