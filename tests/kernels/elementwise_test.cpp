#include <doctest/doctest.h>

#include <array>
#include <cmath>
#include <limits>

#include "support/every_isa.hpp"

namespace pleat::test {
namespace {

constexpr std::array kActivations = {Activation::none,       Activation::relu,    Activation::relu6,
                                     Activation::leaky_relu, Activation::sigmoid, Activation::silu,
                                     Activation::hardswish,  Activation::tanh};
constexpr double kAlpha = 0.0625;  // exact in float

bool saves_x(Activation activation) {
  return activation == Activation::none || activation == Activation::silu ||
         activation == Activation::hardswish;
}

const kernels::ElementwiseKernels<double>& exact() {
  return kernels::reference_table<double>().elementwise;
}

/// Every half from -8 to 8, so that all kinks are hit, then random numbers.
std::vector<float> with_kinks(Random& random, int64_t n) {
  std::vector<float> values = uniform(random, n, -8, 8);
  for (size_t i = 0; i < std::min<size_t>(33, values.size()); ++i) {
    values[i] = static_cast<float>(i) / 2 - 8;
  }
  return values;
}

}  // namespace

TEST_CASE("activations and their gradients") {
  for_each_isa([](const kernels::KernelTable<float>& table) {
    Random random(seed());
    for (const Activation activation : kActivations) {
      for (const int64_t n : edge_sizes()) {
        CAPTURE(static_cast<int>(activation));
        CAPTURE(n);
        const auto x = with_kinks(random, n), dy = uniform(random, n);
        Guarded<float> y(n), dx(n), in_place(x);
        std::vector<double> y_exact(x.size()), dx_exact(x.size());
        table.elementwise.activate(activation, kAlpha, n, x.data(), y.data());
        exact().activate(activation, kAlpha, n, widen(x).data(), y_exact.data());
        CHECK(y.intact());
        CHECK(max_error(y.values(), y_exact) < 1e-6);
        table.elementwise.activate(activation, kAlpha, n, in_place.data(), in_place.data());
        CHECK(max_error(in_place.values(), y.values()) == 0);

        // Both derivatives see the same saved float.
        const std::vector<float> saved =
            saves_x(activation) ? x : std::vector<float>(y.values().begin(), y.values().end());
        table.elementwise.activate_gradient(activation, kAlpha, n, saved.data(), dy.data(), dx.data());
        exact().activate_gradient(activation, kAlpha, n, widen(saved).data(), widen(dy).data(),
                                  dx_exact.data());
        CHECK(dx.intact());
        CHECK(max_error(dx.values(), dx_exact) < 1e-6);
      }
    }
  });
}

TEST_CASE("activations pass NaN on and saturate") {
  for_each_isa([](const kernels::KernelTable<float>& table) {
    constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
    for (const Activation activation : kActivations) {
      CAPTURE(static_cast<int>(activation));
      const std::vector<float> x = {kNan, -100, 100, 0};
      std::vector<float> y(4);
      std::vector<double> expected(4);
      table.elementwise.activate(activation, kAlpha, 4, x.data(), y.data());
      exact().activate(activation, kAlpha, 4, widen(x).data(), expected.data());
      CHECK(std::isnan(y[0]));
      for (size_t i = 1; i < 4; ++i) CHECK(y[i] == doctest::Approx(expected[i]).epsilon(1e-6));
    }
  });
}

TEST_CASE("derivatives at the kinks are PyTorch's") {
  struct Kink {
    Activation activation;
    float saved, slope;
  };
  const std::vector<Kink> kinks = {
      {Activation::relu, 0, 0},          {Activation::relu, -0.0f, 0},
      {Activation::relu6, 0, 0},         {Activation::relu6, 6, 0},
      {Activation::relu6, 5.75f, 1},     {Activation::leaky_relu, 0, kAlpha},
      {Activation::hardswish, -3, -0.5}, {Activation::hardswish, 3, 1.5},
      {Activation::hardswish, -3.5, 0},  {Activation::hardswish, 3.5, 1},
      {Activation::leaky_relu, 0.5f, 1},
  };
  for_each_isa([&](const kernels::KernelTable<float>& table) {
    for (const Kink& kink : kinks) {
      CAPTURE(static_cast<int>(kink.activation));
      CAPTURE(kink.saved);
      const float dy = 2;
      float dx = 0;
      table.elementwise.activate_gradient(kink.activation, kAlpha, 1, &kink.saved, &dy, &dx);
      CHECK(dx == doctest::Approx(2 * kink.slope));
    }
  });
}

TEST_CASE("add and fill") {
  for_each_isa([](const kernels::KernelTable<float>& table) {
    Random random(seed());
    for (const int64_t n : edge_sizes()) {
      CAPTURE(n);
      const auto a = uniform(random, n), b = uniform(random, n);
      Guarded<float> y(n), in_place(b), filled(n);
      std::vector<float> expected(a.size());
      for (size_t i = 0; i < a.size(); ++i) expected[i] = a[i] + b[i];
      table.elementwise.add(n, a.data(), b.data(), y.data());
      table.elementwise.add(n, a.data(), in_place.data(), in_place.data());
      table.elementwise.fill(n, 2.5f, filled.data());
      CHECK((y.intact() && in_place.intact() && filled.intact()));
      CHECK(max_error(y.values(), expected) == 0);
      CHECK(max_error(in_place.values(), expected) == 0);
      CHECK(max_error(filled.values(), std::vector<float>(a.size(), 2.5f)) == 0);
    }
  });
}

TEST_CASE("an element's bits do not depend on where a call begins") {
  for_each_isa([](const kernels::KernelTable<float>& table) {
    constexpr int64_t n = 100;
    Random random(seed());
    const auto x = uniform(random, n, -8, 8), dy = uniform(random, n);
    const kernels::DropoutMask<float> mask{123, 1u << 29, 2};
    for (const Activation activation : kActivations) {
      CAPTURE(static_cast<int>(activation));
      std::vector<float> whole(n), pieces(n), whole_dx(n), pieces_dx(n);
      table.elementwise.activate(activation, kAlpha, n, x.data(), whole.data());
      table.elementwise.activate_gradient(activation, kAlpha, n, x.data(), dy.data(), whole_dx.data());
      for (int64_t begin = 0, size = 1; begin < n; begin += size, ++size) {
        size = std::min(size, n - begin);
        table.elementwise.activate(activation, kAlpha, size, x.data() + begin, pieces.data() + begin);
        table.elementwise.activate_gradient(activation, kAlpha, size, x.data() + begin, dy.data() + begin,
                                            pieces_dx.data() + begin);
      }
      CHECK(pieces == whole);
      CHECK(pieces_dx == whole_dx);
    }
    std::vector<float> whole(n), pieces(n);
    table.elementwise.dropout(mask, 7, n, x.data(), whole.data());
    for (int64_t begin = 0, size = 1; begin < n; begin += size, ++size) {
      size = std::min(size, n - begin);
      table.elementwise.dropout(mask, 7 + begin, size, x.data() + begin, pieces.data() + begin);
    }
    CHECK(pieces == whole);
  });
}

TEST_CASE("dropout keeps the same elements on every instruction set") {
  for_each_isa([](const kernels::KernelTable<float>& table) {
    Random random(seed());
    for (const int64_t n : edge_sizes()) {
      for (const double p : {0.0, 0.1, 0.5, 1.0}) {
        CAPTURE(n);
        CAPTURE(p);
        const kernels::DropoutMask<float> mask{random.bits(), static_cast<uint32_t>(p * 0x1p30), 1.25f};
        const auto x = uniform(random, n);
        const int64_t first = (int64_t{1} << 33) - 40;  // positions wrap at 2^32
        Guarded<float> y(n);
        std::vector<float> expected(x.size());
        table.elementwise.dropout(mask, first, n, x.data(), y.data());
        kernels::reference_table<float>().elementwise.dropout(mask, first, n, x.data(), expected.data());
        CHECK(y.intact());
        CHECK(max_error(y.values(), expected) == 0);
        if (p == 0) CHECK(std::count(expected.begin(), expected.end(), 0.0f) == 0);
        if (p == 1) CHECK(std::count(expected.begin(), expected.end(), 0.0f) == n);
      }
    }
  });
}

TEST_CASE("dropout's mask looks random: share kept, neighbours, and seeds are independent") {
  constexpr int64_t n = 1 << 18;
  const std::vector<float> ones(n, 1);
  for (const double p : {0.1, 0.5, 0.9}) {
    CAPTURE(p);
    std::vector<std::vector<float>> masks;
    for (uint64_t seed = 0; seed < 4; ++seed) {
      for (const uint64_t s : {Random::mix(1, seed), Random::mix(seed, 1 << 20)}) {  // as the op makes them
        std::vector<float> y(n);
        const kernels::DropoutMask<float> mask{s, static_cast<uint32_t>(p * 0x1p30), 1};
        kernels::reference_table<float>().elementwise.dropout(mask, 0, n, ones.data(), y.data());
        masks.push_back(std::move(y));
      }
    }
    const double q = 1 - p, noise = 5 / std::sqrt(static_cast<double>(n));
    const auto correlation = [&](const std::vector<float>& a, const std::vector<float>& b, int64_t lag) {
      double both = 0;
      for (int64_t i = 0; i + lag < n; ++i) {
        both += (a[static_cast<size_t>(i)] - q) * (b[static_cast<size_t>(i + lag)] - q);
      }
      return std::abs(both / static_cast<double>(n - lag) / (p * q));
    };
    for (const auto& mask : masks) {
      const double kept = static_cast<double>(std::count(mask.begin(), mask.end(), 1.0f)) / n;
      CHECK(std::abs(kept - q) < noise * std::sqrt(p * q));
      for (const int64_t lag : {1, 2, 3, 7, 8, 64, 224, 1024, 65536})
        CHECK(correlation(mask, mask, lag) < noise);
      for (const auto& other : masks) {
        if (&mask != &other) CHECK(correlation(mask, other, 0) < noise);
      }
    }
  }
}

}  // namespace pleat::test
