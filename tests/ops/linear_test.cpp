#include <doctest/doctest.h>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "pleat/isa.hpp"
#include "support/every_isa.hpp"
#include "support/run_op.hpp"

namespace pleat::test {
namespace {

template <class T = float>
Tensor random_tensor(Random& random, Shape shape) {
  return Tensor::from(shape, uniform<T>(random, shape.numel()));
}

// x (m, k) with weight (n, k): everything that Linear and its gradients compute.
template <class T>
struct Results {
  Tensor y, dx, dweight, dbias;
};

template <class T>
Results<T> run_all(Tensor x, Tensor weight, Tensor bias, Tensor dy) {
  return {run_op<T>(ops::Linear{}, {&x, &weight, &bias})[0],
          run_op<T>(ops::LinearInputGradient{}, {&weight, &dy})[0],
          run_op<T>(ops::LinearWeightGradient{}, {&x, &dy})[0], run_op<T>(ops::BiasGradient{1}, {&dy})[0]};
}

struct Size {
  int64_t m, n, k;
};
// One task and many, sums cut into parts (the fourth and fifth), one row, no rows.
constexpr Size kSizes[] = {{6, 7, 5},     {64, 128, 64}, {200, 300, 270}, {40, 30, 2100},
                           {4, 3, 40000}, {1, 100, 300}, {3, 600, 80},    {0, 8, 8}};

TEST_CASE("linear and its gradients are those of plain loops, on every instruction set") {
  const std::string active = active_isa();
  for (const Size& size : kSizes) {
    const auto [m, n, k] = size;
    CAPTURE(m);
    CAPTURE(n);
    CAPTURE(k);
    Random random(seed());
    const Tensor x = random_tensor(random, {m, k}), weight = random_tensor(random, {n, k});
    const Tensor bias = random_tensor(random, {n}), dy = random_tensor(random, {m, n});
    std::vector<double> y(static_cast<size_t>(m * n)), dx(static_cast<size_t>(m * k)),
        dweight(static_cast<size_t>(n * k)), dbias(static_cast<size_t>(n));
    const float *xs = x.data<float>(), *weights = weight.data<float>(), *dys = dy.data<float>();
    for (int64_t i = 0; i < m; ++i) {
      for (int64_t j = 0; j < n; ++j) {
        const double g = static_cast<double>(dys[i * n + j]);
        double sum = static_cast<double>(bias.data<float>()[j]);
        for (int64_t l = 0; l < k; ++l) {
          const double a = static_cast<double>(xs[i * k + l]), b = static_cast<double>(weights[j * k + l]);
          sum += a * b;
          dx[static_cast<size_t>(i * k + l)] += g * b;
          dweight[static_cast<size_t>(j * k + l)] += g * a;
        }
        y[static_cast<size_t>(i * n + j)] = sum;
        dbias[static_cast<size_t>(j)] += g;
      }
    }
    for (const std::string& isa : available_isas()) {
      CAPTURE(isa);
      set_isa(isa);
      const Results<float> got = run_all<float>(x, weight, bias, dy);
      CHECK(max_error(got.y.span<float>(), y) < 1e-5);
      CHECK(max_error(got.dx.span<float>(), dx) < 1e-5);
      CHECK(max_error(got.dweight.span<float>(), dweight) < 1e-5);
      CHECK(max_error(got.dbias.span<float>(), dbias) < 1e-6);
    }
    const Results<double> wide =
        run_all<double>(x.to(DType::f64), weight.to(DType::f64), bias.to(DType::f64), dy.to(DType::f64));
    CHECK(max_error(wide.y.span<double>(), y) < 1e-13);
    CHECK(max_error(wide.dx.span<double>(), dx) < 1e-13);
    CHECK(max_error(wide.dweight.span<double>(), dweight) < 1e-13);
    CHECK(max_error(wide.dbias.span<double>(), dbias) < 1e-13);
  }
  set_isa(active);
}

TEST_CASE("linear and its gradients give the same bits on any number of threads") {
  for (const Size& size : kSizes) {
    const auto [m, n, k] = size;
    Random random(seed());
    const Tensor x = random_tensor(random, {m, k}), weight = random_tensor(random, {n, k});
    const Tensor bias = random_tensor(random, {n}), dy = random_tensor(random, {m, n});
    Results<float> first;
    for (const int threads : {1, 2, 3, 8}) {
      CAPTURE(threads);
      Results<float> got;
      Arena(threads).execute([&] { got = run_all<float>(x, weight, bias, dy); });
      if (threads == 1) first = got;
      CHECK(std::ranges::equal(got.y.span<float>(), first.y.span<float>()));
      CHECK(std::ranges::equal(got.dx.span<float>(), first.dx.span<float>()));
      CHECK(std::ranges::equal(got.dweight.span<float>(), first.dweight.span<float>()));
      CHECK(std::ranges::equal(got.dbias.span<float>(), first.dbias.span<float>()));
    }
  }
}

TEST_CASE("linear's epilogue is applied once, also where the sums are cut into parts") {
  Random random(seed());
  const int64_t m = 40, n = 30, k = 2100;
  Tensor x = random_tensor(random, {m, k}), weight = random_tensor(random, {n, k});
  Tensor bias = random_tensor(random, {n}), residual = random_tensor(random, {m, n});
  Tensor plain = run_op<float>(ops::Linear{}, {&x, &weight})[0];
  Tensor fused = run_op<float>(ops::Linear{{Activation::relu, 0}}, {&x, &weight, &bias, &residual})[0];
  std::vector<double> expected;
  for (int64_t i = 0; i < m * n; ++i) {
    expected.push_back(
        std::max(0.0f, plain.data<float>()[i] + bias.data<float>()[i % n] + residual.data<float>()[i]));
  }
  CHECK(max_error(fused.span<float>(), expected) < 1e-6);
}

TEST_CASE("bias_gradient sums every dimension but one") {
  Random random(seed());
  for (const int64_t inner : {1, 3, 16, 17, 5000}) {
    CAPTURE(inner);
    Tensor dy = random_tensor(random, {70, 3, inner});
    const Tensor db = run_op<float>(ops::BiasGradient{1}, {&dy})[0];
    std::vector<double> expected(3);
    for (int64_t i = 0; i < dy.numel(); ++i) {
      expected[static_cast<size_t>(i / inner % 3)] += static_cast<double>(dy.data<float>()[i]);
    }
    CHECK(max_error(db.span<float>(), expected) < 1e-6);
  }
}

TEST_CASE("linear says which sizes do not fit") {
  const auto error = [](Shape x, Shape weight, Shape bias) {
    const ValueType types[] = {{DType::f32, x}, {DType::f32, weight}, {DType::f32, bias}};
    try {
      definition(ops::Linear{}).infer(ops::Linear{}, {&types[0], &types[1], &types[2]});
    } catch (const Error& e) {
      return std::string(e.what());
    }
    return std::string();
  };
  CHECK(error({kDynamic, 64}, {10, 64}, {10}) == "");
  CHECK(error({kDynamic, 64, 30, 30}, {10, 64}, {10}) ==
        "linear: needs an input of 64 features in its last dimension, got (N, 64, 30, 30)");
  CHECK(error({kDynamic, 64}, {10, 64}, {9}) == "linear: needs a bias (10,), got (9,)");
}

}  // namespace
}  // namespace pleat::test
