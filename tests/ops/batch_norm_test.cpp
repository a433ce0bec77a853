// What the op cases do not see: accuracy of the statistics, running statistics over several steps, the
// gradient's formula for large means, errors, and the same bits for any number of threads.

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <functional>

#include "base/random.hpp"
#include "pleat/error.hpp"
#include "pleat/isa.hpp"
#include "support/run_op.hpp"

namespace pleat::test {
namespace {

Tensor random_tensor(const Shape& shape, uint64_t seed, double mean = 0, double sigma = 1) {
  Tensor tensor(shape);
  Random random(seed);
  for (float& v : tensor.span<float>()) v = static_cast<float>(mean + sigma * random.normal());
  return tensor;
}

Tensor filled(const Shape& shape, float value) {
  Tensor tensor(shape);
  std::ranges::fill(tensor.span<float>(), value);
  return tensor;
}

ops::BatchNorm training(int dims) {
  ops::BatchNorm attributes;
  attributes.spatial_dims = dims;
  attributes.batch_statistics = true;
  return attributes;
}

struct Exact {
  long double mean = 0, m2 = 0;
  int64_t n = 0;
};
/// Of channel c, from the values as they are in float.
Exact exact_statistics(const Tensor& x, int64_t c) {
  const int64_t channels = x.shape()[1], spatial = x.shape().product(2, x.shape().rank());
  const auto each = [&](auto&& body) {
    for (int64_t n = 0; n < x.shape()[0]; ++n) {
      for (int64_t i = 0; i < spatial; ++i) {
        body(static_cast<long double>(x.data<float>()[(n * channels + c) * spatial + i]));
      }
    }
  };
  Exact exact;
  each([&](long double v) { exact.mean += v, ++exact.n; });
  exact.mean /= static_cast<long double>(exact.n);
  each([&](long double v) { exact.m2 += (v - exact.mean) * (v - exact.mean); });
  return exact;
}

/// Statistics of x as the op computes them: its running statistics after a step of momentum 1.
void check_statistics(const Tensor& x) {
  Tensor input = x, mean = filled({x.shape()[1]}, 0), var = filled({x.shape()[1]}, 1);
  ops::BatchNorm attributes = training(std::max(1, x.shape().rank() - 2));
  attributes.momentum = 1.0;
  const std::vector<Tensor> out =
      run_op<float>(attributes, {&input, nullptr, nullptr, &mean, &var, nullptr, nullptr});
  for (int64_t c = 0; c < x.shape()[1]; ++c) {
    const Exact exact = exact_statistics(x, c);
    const auto sigma = static_cast<double>(std::sqrt(exact.m2 / static_cast<long double>(exact.n)));
    const auto want_var = static_cast<double>(exact.m2 / static_cast<long double>(exact.n - 1));
    // center + low: the mean to more than float's precision.
    const double got_mean = static_cast<double>(out[1].data<float>()[c]) +
                            static_cast<double>(out[1].data<float>()[x.shape()[1] + c]);
    CAPTURE(x.shape().str());
    CAPTURE(c);
    CHECK(std::abs(got_mean - static_cast<double>(exact.mean)) <= 1e-6 * sigma);
    CHECK(std::abs(static_cast<double>(var.data<float>()[c]) - want_var) <= 1e-6 * want_var);
  }
}

TEST_CASE("batch norm statistics are right for every mean and size") {
  Random random(5);
  std::vector<float> normal(1 << 22);
  for (float& v : normal) v = static_cast<float>(random.normal());
  const auto check = [&](const Shape& shape, double mean) {
    Tensor x(shape);
    const std::span<float> values = x.span<float>();
    for (size_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(mean + static_cast<double>(normal[i % normal.size()]));
    }
    check_statistics(x);
  };
  for (const double mean : {0.0, 1e1, 1e3, 1e4, 1e5}) {
    CAPTURE(mean);
    for (const std::string& isa : available_isas()) {
      CAPTURE(isa);
      set_isa(isa);
      for (const int64_t n : {2, 3, 17, 127, 128, 129, 1000}) check({n, 3}, mean);
      for (const int64_t n : {1, 2, 5, 200}) check({n, 3, 7}, mean);
      for (const int64_t n : {1, 3, 90, 300}) check({n, 2, 7, 7}, mean);
      check({1, 1, 4096, 1}, mean);
      check({2, 1, 4097, 1}, mean);
      check({3, 1, 99, 99}, mean);
    }
    set_isa(available_isas().back());
    check({1 << 17, 1}, mean);
    check({64, 1, 1 << 14}, mean);
    check({1 << 11, 1, 1 << 11}, mean);
  }
  check({16, 1, 1024, 1024}, 1e3);
}

TEST_CASE("batch norm of constant data has variance zero") {
  for (const float value : {0.0f, 0.1f, 1e6f, -3.3e-5f}) {
    Tensor x = filled({33, 2, 11, 5}, value);
    ops::BatchNorm attributes = training(2);
    Tensor y = run_op<float>(attributes, {&x, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr})[0];
    CHECK(std::ranges::count(y.span<float>(), 0.0f) == y.numel());
  }
}

TEST_CASE("batch norm keeps the digits of data far from zero") {
  // The same data near zero, moved by a power of two that leaves every value exact.
  Tensor near(Shape{8, 2, 13, 13}), far(Shape{8, 2, 13, 13}), dy = random_tensor({8, 2, 13, 13}, 3);
  Random random(2);
  for (int64_t i = 0; i < near.numel(); ++i) {
    near.data<float>()[i] = static_cast<float>(std::round(random.normal() * 64) / 64);
    far.data<float>()[i] = near.data<float>()[i] + 65536;
  }
  const auto both = [&](Tensor& x) {
    ops::BatchNorm attributes = training(2);
    std::vector<Tensor> out =
        run_op<float>(attributes, {&x, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr});
    std::vector<Tensor> gradient = run_op<float>(ops::BatchNormGradient{}, {&x, &dy, &out[1], nullptr});
    gradient.insert(gradient.begin(), out[0]);
    return gradient;
  };
  const std::vector<Tensor> a = both(near), b = both(far);
  for (size_t t = 0; t < a.size(); ++t) {
    CAPTURE(t);
    double worst = 0, size = 0;
    for (int64_t i = 0; i < a[t].numel(); ++i) {
      const double v = static_cast<double>(a[t].data<float>()[i]);
      worst = std::max(worst, std::abs(v - static_cast<double>(b[t].data<float>()[i])));
      size = std::max(size, std::abs(v));
    }
    CHECK(worst <= 2e-6 * size);
  }
}

TEST_CASE("batch norm moves running statistics as PyTorch does") {
  for (const bool cumulative : {false, true}) {
    CAPTURE(cumulative);
    ops::BatchNorm attributes = training(2);
    attributes.momentum = cumulative ? std::nullopt : std::optional<double>(0.25);
    Tensor mean = filled({3}, 0), var = filled({3}, 1), count(Shape{}, DType::i64);
    std::vector<double> want_mean(3, 0), want_var(3, 1);
    for (int step = 1; step <= 5; ++step) {
      Tensor x = random_tensor({4, 3, 5, 7}, static_cast<uint64_t>(step), step, 1.0 / step);
      run_op<float>(attributes, {&x, nullptr, nullptr, &mean, &var, &count, nullptr});
      CHECK(*count.data<int64_t>() == step);
      const double momentum = cumulative ? 1.0 / step : 0.25;
      for (int64_t c = 0; c < 3; ++c) {
        const Exact exact = exact_statistics(x, c);
        const auto i = static_cast<size_t>(c);
        const auto unbiased = static_cast<double>(exact.m2 / static_cast<long double>(exact.n - 1));
        want_mean[i] = (1 - momentum) * want_mean[i] + momentum * static_cast<double>(exact.mean);
        want_var[i] = (1 - momentum) * want_var[i] + momentum * unbiased;
        CHECK(static_cast<double>(mean.data<float>()[c]) == doctest::Approx(want_mean[i]).epsilon(1e-6));
        CHECK(static_cast<double>(var.data<float>()[c]) == doctest::Approx(want_var[i]).epsilon(1e-6));
      }
    }
    attributes.batch_statistics = false;  // inference changes nothing
    const Tensor mean_before = mean.clone(), var_before = var.clone();
    Tensor x = random_tensor({4, 3, 5, 7}, 99);
    run_op<float>(attributes, {&x, nullptr, nullptr, &mean, &var, &count, nullptr});
    CHECK(*count.data<int64_t>() == 5);
    CHECK(std::memcmp(mean.raw(), mean_before.raw(), mean.bytes()) == 0);
    CHECK(std::memcmp(var.raw(), var_before.raw(), var.bytes()) == 0);
  }
}

TEST_CASE("batch norm says what is wrong with its input") {
  const auto error = [](const ops::BatchNorm& attributes, Shape x, Shape weight = {20}) -> std::string {
    const ValueType input{DType::f32, std::move(x)}, scale{DType::f32, std::move(weight)};
    try {
      definition(ops::Attributes(attributes))
          .infer(attributes, {&input, &scale, nullptr, nullptr, nullptr, nullptr, nullptr});
    } catch (const Error& e) {
      return e.what();
    }
    return "";
  };
  CHECK(error(training(1), {1, 20}) ==
        "batch_norm: Expected more than 1 value per channel when training, got input size (1, 20)");
  CHECK(error(training(2), {1, 20, 1, 1}) ==
        "batch_norm: Expected more than 1 value per channel when training, got input size (1, 20, 1, 1)");
  CHECK(error(training(1), {kDynamic, 20}) == "");
  CHECK(error(training(1), {1, 20, 2}) == "");
  CHECK(error(training(2), {8, 20}) ==
        "batch_norm: BatchNorm2d needs an input of shape (N, C, H, W), got (8, 20)");
  CHECK(error(training(1), {8, 20, 4, 4}) ==
        "batch_norm: BatchNorm1d needs an input of shape (N, C) or (N, C, L), got (8, 20, 4, 4)");
  CHECK(error(training(3), {8, 20, 4, 4}) ==
        "batch_norm: BatchNorm3d needs an input of shape (N, C, D, H, W), got (8, 20, 4, 4)");
  CHECK(error(training(1), {8, 20}, {10}) ==
        "batch_norm: weight has shape (10,), the input (8, 20) needs (20,)");
  CHECK(error(ops::BatchNorm{}, {8, 20}) ==
        "batch_norm: without batch statistics it needs running_mean and running_var");
}

TEST_CASE("batch norm gives the same bits on any number of threads") {
  for (const Shape& shape : {Shape{6, 3, 70, 90}, Shape{1, 2, 200, 171}, Shape{70, 40, 9, 9},
                             Shape{1500, 130}, Shape{300, 40, 5, 5}, Shape{3000, 5, 3, 3}}) {
    CAPTURE(shape.str());
    Tensor x = random_tensor(shape, 1), dy = random_tensor(shape, 2), residual = random_tensor(shape, 3);
    Tensor weight = random_tensor({shape[1]}, 4), bias = random_tensor({shape[1]}, 5);
    const auto step = [&] {
      Tensor mean = filled({shape[1]}, 0), var = filled({shape[1]}, 1);
      ops::BatchNorm attributes = training(std::max(1, shape.rank() - 2));
      attributes.activation = Activation::relu;
      std::vector<Tensor> results =
          run_op<float>(attributes, {&x, &weight, &bias, &mean, &var, nullptr, &residual});
      ops::BatchNormGradient gradient;
      gradient.activation = Activation::relu;
      gradient.wants_residual = true;
      for (Tensor& t : run_op<float>(gradient, {&x, &dy, &results[1], &results[0]})) results.push_back(t);
      results.push_back(mean);
      results.push_back(var);
      return results;
    };
    std::vector<Tensor> one;
    Arena(1).execute([&] { one = step(); });
    for (const int threads : {2, 3, 8}) {
      CAPTURE(threads);
      std::vector<Tensor> many;
      Arena(threads).execute([&] { many = step(); });
      for (size_t i = 0; i < one.size(); ++i) {
        CHECK(std::memcmp(one[i].raw(), many[i].raw(), one[i].bytes()) == 0);
      }
    }
  }
}

TEST_CASE("batch norm passes NaN on") {
  Tensor x = random_tensor({4, 2, 5, 5}, 1);
  x.data<float>()[30] = NAN;  // channel 1
  ops::BatchNorm attributes = training(2);
  attributes.activation = Activation::relu;
  const Tensor y = run_op<float>(attributes, {&x, nullptr, nullptr, nullptr, nullptr, nullptr, nullptr})[0];
  for (int64_t i = 0; i < y.numel(); ++i) CHECK(std::isnan(y.data<float>()[i]) == (i / 25 % 2 == 1));
}

}  // namespace
}  // namespace pleat::test
