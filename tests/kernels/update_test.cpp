#include "support/every_isa.hpp"

using namespace pleat;
using namespace pleat::test;

namespace {

const auto& reference = kernels::reference_table<double>().update;

/// A parameter with its gradient and buffers.
template <class T>
struct Arrays {
  explicit Arrays(int64_t n) {
    Random random(seed());
    const auto draw = [&](double low, double high) {
      const auto narrow = uniform(random, n, low, high);
      return std::vector<T>(narrow.begin(), narrow.end());
    };
    gradient = draw(-1, 1);
    parameter = draw(-1, 1);
    first = draw(-1, 1);
    second = draw(0, 1);
  }
  std::vector<T> gradient, parameter, first, second;
};

}  // namespace

TEST_CASE("sgd") {
  for_each_isa([](const kernels::KernelTable<float>& table) {
    for (int64_t n : edge_sizes()) {
      for (int variant = 0; variant < 3; ++variant) {  // no momentum, momentum, Nesterov
        CAPTURE(n);
        CAPTURE(variant);
        const Arrays<float> start(n);
        Guarded<float> parameter(start.parameter), buffer(start.first);
        Arrays<double> expected(n);
        const double momentum = variant == 0 ? 0 : 0.9;
        const kernels::SgdStep<float> step = {0.1f, 0.5f, 0.01f, static_cast<float>(momentum), variant == 2};
        const kernels::SgdStep<double> exact = {0.1, 0.5, 0.01, momentum, variant == 2};
        table.update.sgd(n, step, start.gradient.data(), parameter.data(),
                         variant == 0 ? nullptr : buffer.data());
        reference.sgd(n, exact, expected.gradient.data(), expected.parameter.data(),
                      variant == 0 ? nullptr : expected.first.data());
        CHECK(parameter.intact());
        CHECK(buffer.intact());
        CHECK(max_error(parameter.values(), expected.parameter) < 1e-6);
        CHECK(max_error(buffer.values(), expected.first) < 1e-6);
      }
    }
  });
}

TEST_CASE("adam") {
  for_each_isa([](const kernels::KernelTable<float>& table) {
    for (int64_t n : edge_sizes()) {
      CAPTURE(n);
      const Arrays<float> start(n);
      Guarded<float> parameter(start.parameter), m(start.first), v(start.second);
      Arrays<double> expected(n);
      const kernels::AdamStep<float> step = {0.1f, 0.5f,   0.01f,  0.99f, 0.9f,
                                             0.1f, 0.999f, 0.001f, 0.3f,  1e-8f};
      const kernels::AdamStep<double> exact = {0.1, 0.5, 0.01, 0.99, 0.9, 0.1, 0.999, 0.001, 0.3, 1e-8};
      table.update.adam(n, step, start.gradient.data(), parameter.data(), m.data(), v.data());
      reference.adam(n, exact, expected.gradient.data(), expected.parameter.data(), expected.first.data(),
                     expected.second.data());
      CHECK((parameter.intact() && m.intact() && v.intact()));
      CHECK(max_error(parameter.values(), expected.parameter) < 3e-6);
      CHECK(max_error(m.values(), expected.first) < 1e-6);
      CHECK(max_error(v.values(), expected.second) < 1e-6);
    }
  });
}

TEST_CASE("sum of squares") {
  for_each_isa([](const kernels::KernelTable<float>& table) {
    for (int64_t n : edge_sizes()) {
      CAPTURE(n);
      const Arrays<float> arrays(n);
      CHECK(table.update.sum_squares(n, arrays.gradient.data()) ==
            doctest::Approx(reference.sum_squares(n, widen(arrays.gradient).data())).epsilon(1e-13));
    }
    const std::vector<float> large(20, 1e30f);  // squares that no float holds
    CHECK(table.update.sum_squares(20, large.data()) == doctest::Approx(20e60).epsilon(1e-6));
  });
}
