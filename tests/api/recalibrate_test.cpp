#include <doctest/doctest.h>

#include <cmath>
#include <numeric>

#include "pleat/batch_norm.hpp"
#include "pleat/error.hpp"
#include "pleat/train.hpp"
#include "support/small_fit.hpp"

namespace pleat::test {
namespace {

/// Exact to double's precision, of channel c.
struct Exact {
  double mean = 0, m2 = 0, n = 0;
  double var() const { return m2 / (n - 1); }
};
Exact exact(const Tensor& x, int64_t c) {
  const int64_t channels = x.shape()[1], spatial = x.shape().product(2, x.shape().rank());
  const auto each = [&](const auto& body) {
    for (int64_t i = 0; i < x.numel(); ++i) {
      if (i / spatial % channels == c) body(static_cast<long double>(x.data<float>()[i]));
    }
  };
  long double sum = 0, m2 = 0;
  Exact found;
  each([&](long double v) { sum += v, found.n += 1; });
  const long double mean = sum / static_cast<long double>(found.n);
  each([&](long double v) { m2 += (v - mean) * (v - mean); });
  found.mean = static_cast<double>(mean);
  found.m2 = static_cast<double>(m2);
  return found;
}

Tensor items(const Tensor& all, int64_t begin, int64_t end) {
  std::vector<int64_t> positions(static_cast<size_t>(end - begin));
  std::iota(positions.begin(), positions.end(), begin);
  return Dataset{all, Tensor({all.shape()[0]}, DType::i64), 1}.select(positions).inputs;
}

double value(Model& model, const char* name, int64_t c) {
  const Tensor tensor = model.parameter(name);
  return static_cast<double>(tensor.data<float>()[c]);
}

int64_t count_of(Model& model, const std::string& layer) {
  return *model.parameter(layer + ".num_batches_tracked").data<int64_t>();
}

/// Two BatchNorms, the second on what the first makes, and a third that is frozen.
Model deep_model(int threads = 1) {
  Graph graph;
  Value x = graph.input("x", {kDynamic, 2, 5, 5});
  x = graph.add("bn1", BatchNorm2d{2}, {x});
  x = graph.add("conv", Conv2d{2, 6, 3}, {x});
  x = graph.add("bn2", BatchNorm2d{6}, {x});
  x = graph.add(ReLU{}, {x});
  x = graph.add("dropout", Dropout{0.5}, {graph.add(GlobalAvgPool{}, {x})});
  graph.output("y", graph.add("bn3", BatchNorm1d{6}, {x}));
  return Model(std::move(graph), {.seed = 3, .threads = threads});
}

Tensor noise(int64_t n, double mean, double sigma) {
  Tensor x({n, 2, 5, 5});
  Random random(8);
  for (float& v : x.span<float>()) v = static_cast<float>(mean + sigma * random.normal());
  return x;
}

TEST_CASE("recalibrate: a first layer's statistics are those of the data, however it is cut") {
  for (const double mean : {0.0, 10.0, 1e3}) {
    const Tensor x = noise(75, mean, 1.5);
    for (const int64_t batch : {75, 37, 16, 2}) {
      CAPTURE(mean);
      CAPTURE(batch);
      Model model = deep_model();
      const Dataset data{x, Tensor({75}, DType::i64), 1};
      const Recalibration done = recalibrate(model, data, {.batch_size = batch, .seed = 5});
      const int64_t batches = batch == 37 ? 3 - 1 : batch == 2 ? 37 : (75 + batch - 1) / batch;
      CHECK(done.batches == batches);
      CHECK(done.items == 75);
      CHECK(done.layers == 3);
      CHECK(count_of(model, "bn1") == batches);
      for (int64_t c = 0; c < 2; ++c) {
        const Exact wanted = exact(x, c);
        CHECK(std::abs(value(model, "bn1.running_mean", c) - wanted.mean) <=
              6e-8 * std::abs(wanted.mean) + 1e-7);
        CHECK(value(model, "bn1.running_var", c) == doctest::Approx(wanted.var()).epsilon(3e-7));
      }
    }
  }
}

TEST_CASE("recalibrate: deeper layers pool what each batch gives in training mode") {
  const Tensor x = noise(70, 3, 2);
  Model model = deep_model(), reference = deep_model();
  model.freeze("bn3");
  reference.freeze("bn3");
  reference.freeze("dropout");
  const std::string weight_before = bytes_of({{"", model.parameter("conv.weight")}});
  const std::string frozen_before = bytes_of({{"", model.parameter("bn3.running_var")}});
  for (const char* layer : {"bn1", "bn2"}) {  // momentum 1: the running statistics are the batch's
    BatchNormOptions options = batch_norm_options(reference, layer);
    options.momentum = 1.0;
    set_batch_norm_options(reference, layer, options);
  }
  std::vector<Exact> wanted(6);
  std::vector<Tensor> batches;
  for (const auto& [begin, end] : {std::pair{0, 32}, {32, 64}, {64, 70}}) {
    batches.push_back(items(x, begin, end));
    reference(batches.back());
    const double n = (end - begin) * 9.0;
    for (int64_t c = 0; c < 6; ++c) {  // sum (x - m)^2 over both = the parts' own + between their means
      Exact& all = wanted[static_cast<size_t>(c)];
      const double mean = value(reference, "bn2.running_mean", c),
                   var = value(reference, "bn2.running_var", c);
      const double joined = (all.mean * all.n + mean * n) / (all.n + n);
      all.m2 += (n - 1) * var + all.n * std::pow(all.mean - joined, 2) + n * std::pow(mean - joined, 2);
      all.mean = joined;
      all.n += n;
    }
  }
  size_t next = 0;
  const Recalibration done =
      recalibrate(model, [&] { return next < batches.size() ? batches[next++] : Tensor(); });
  CHECK(done.layers == 2);
  CHECK(done.batches == 3);
  for (int64_t c = 0; c < 6; ++c) {
    const Exact& all = wanted[static_cast<size_t>(c)];
    CHECK(value(model, "bn2.running_mean", c) == doctest::Approx(all.mean).epsilon(1e-6));
    CHECK(value(model, "bn2.running_var", c) == doctest::Approx(all.var()).epsilon(1e-6));
  }
  CHECK(count_of(model, "bn2") == 3);
  CHECK(bytes_of({{"", model.parameter("conv.weight")}}) == weight_before);
  CHECK(bytes_of({{"", model.parameter("bn3.running_var")}}) == frozen_before);
  CHECK(count_of(model, "bn3") == 0);
  CHECK(model.training());

  // What the layers do in training does not count, and eval() sees the new statistics.
  const Tensor before = model.eval()(x).clone();
  model.train();
  for (const std::string& layer : batch_norm_layers(model)) {
    set_batch_norm_options(
        model, layer, {.momentum = 0.3, .virtual_batch_size = 4, .renorm = BatchRenorm{.ramp_begin = 0}});
  }
  next = 0;
  recalibrate(model, [&] { return next < batches.size() ? batches[next++] : Tensor(); });
  CHECK(bytes_of({{"", before}}) == bytes_of({{"", model.eval()(x)}}));
}

TEST_CASE("recalibrate: the same bits on 1, 2, 3 and 8 threads") {
  const Tensor x = noise(70, 3, 2);
  std::string one;
  for (const int threads : {1, 2, 3, 8}) {
    CAPTURE(threads);
    Model model = deep_model(threads);
    recalibrate(model, {x, Tensor({70}, DType::i64), 1}, {.batch_size = 20, .batches = 2});
    if (threads == 1) one = bytes_of(model.state_dict());
    CHECK(bytes_of(model.state_dict()) == one);
  }
}

TEST_CASE("recalibrate: what cannot be is said, and nothing is changed") {
  const auto fault = [](Model& model, const Dataset& data,
                        const RecalibrateOptions& options = {}) -> std::string {
    const std::string before = bytes_of(model.state_dict());
    try {
      recalibrate(model, data, options);
    } catch (const Error& error) {
      CHECK(bytes_of(model.state_dict()) == before);
      return error.what();
    }
    return "";
  };
  Model model = deep_model();
  Dataset data{noise(20, 0, 1), Tensor({20}, DType::i64), 1};
  CHECK(fault(model, {}) == "recalibrate: there is no data");
  CHECK(fault(model, data, {.batch_size = 0}) == "recalibrate: the batch size must be positive, got 0");
  CHECK(fault(model, data, {.batches = -1}) ==
        "recalibrate: the number of batches must not be negative, got -1");
  CHECK(fault(model, data, {.batch_size = 1}).find("Expected more than 1 value") != std::string::npos);
  data.inputs.data<float>()[7] = NAN;
  CHECK(fault(model, data, {.batch_size = 10})
            .find("recalibrate: bn1: the statistics of channel 0 are not finite") == 0);

  Graph graph;
  graph.output("y", graph.add("fc", Linear{3, 3}, {graph.input("x", {kDynamic, 3})}));
  Model plain(std::move(graph));
  CHECK(fault(plain, data) ==
        "recalibrate: the network has no BatchNorm whose running statistics could be computed");
}

}  // namespace
}  // namespace pleat::test
