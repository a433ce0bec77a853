#include <cmath>
#include <limits>

#include "support/every_isa.hpp"

using namespace pleat;
using namespace pleat::test;

namespace {

const auto& reference = kernels::reference_table<double>().softmax;

/// Row kernel `compute(kernels, rows, n, y)` on every instruction set against the double reference.
template <class Compute>
void check_rows(double tolerance, const Compute& compute) {
  for_each_isa([&](const kernels::KernelTable<float>& table) {
    for (int64_t n : edge_sizes()) {
      for (int64_t rows : {1, 3, 21}) {
        CAPTURE(n);
        CAPTURE(rows);
        Guarded<float> y(rows * n);
        std::vector<double> expected(static_cast<size_t>(rows * n));
        compute(table.softmax, rows, n, y.data());
        compute(reference, rows, n, expected.data());
        CHECK(y.intact());
        CHECK(max_error(y.values(), expected) < tolerance);
      }
    }
  });
}

/// The same random values whatever the type.
template <class T>
std::vector<T> values(int64_t n, double low, double high, uint64_t stream = 0) {
  Random random(seed() + stream);
  const std::vector<float> narrow = uniform(random, n, low, high);
  return {narrow.begin(), narrow.end()};
}

std::vector<int64_t> some_labels(int64_t rows, int64_t n) {
  std::vector<int64_t> labels;
  for (int64_t i = 0; i < rows; ++i) labels.push_back((i * 7 + n - 1) % n);
  return labels;
}

}  // namespace

TEST_CASE("softmax and log_softmax") {
  for (double size : {1.0, 80.0}) {  // 80: e^80 twice over no longer fits a float
    CAPTURE(size);
    check_rows(1e-6, [&]<class T>(const kernels::SoftmaxKernels<T>& k, int64_t rows, int64_t n, T* y) {
      k.softmax(rows, n, values<T>(rows * n, -size, size).data(), y);
    });
    check_rows(1e-6, [&]<class T>(const kernels::SoftmaxKernels<T>& k, int64_t rows, int64_t n, T* y) {
      k.log_softmax(rows, n, values<T>(rows * n, -size, size).data(), y);
    });
  }
}

TEST_CASE("softmax gradients") {
  check_rows(2e-6, []<class T>(const kernels::SoftmaxKernels<T>& k, int64_t rows, int64_t n, T* dx) {
    const auto y = values<T>(rows * n, 0, 1), dy = values<T>(rows * n, -1, 1, 1);
    k.softmax_gradient(rows, n, y.data(), dy.data(), dx);
  });
  check_rows(2e-6, []<class T>(const kernels::SoftmaxKernels<T>& k, int64_t rows, int64_t n, T* dx) {
    const auto y = values<T>(rows * n, -5, 0), dy = values<T>(rows * n, -1, 1, 1);
    k.log_softmax_gradient(rows, n, y.data(), dy.data(), dx);
  });
}

TEST_CASE("softmax in place") {
  for_each_isa([](const kernels::KernelTable<float>& table) {
    for (int64_t n : {1, 7, 16, 19}) {
      CAPTURE(n);
      const auto x = values<float>(2 * n, -3, 3);
      std::vector<float> apart(x.size()), in_place = x;
      table.softmax.softmax(2, n, x.data(), apart.data());
      table.softmax.softmax(2, n, in_place.data(), in_place.data());
      CHECK(apart == in_place);
      in_place = x;
      table.softmax.log_softmax(2, n, x.data(), apart.data());
      table.softmax.log_softmax(2, n, in_place.data(), in_place.data());
      CHECK(apart == in_place);
    }
  });
}

TEST_CASE("softmax passes NaN and infinity on to the whole row, and only that row") {
  for_each_isa([](const kernels::KernelTable<float>& table) {
    for (float bad : {NAN, INFINITY}) {
      for (int64_t n : {3, 8, 21}) {
        CAPTURE(bad);
        CAPTURE(n);
        std::vector<float> x(static_cast<size_t>(3 * n), 0.5f), y(x.size());
        x[static_cast<size_t>(2 * n - 1)] = bad;
        for (auto kernel : {table.softmax.softmax, table.softmax.log_softmax}) {
          kernel(3, n, x.data(), y.data());
          int64_t nans = 0, outside = 0;
          for (int64_t i = 0; i < 3 * n; ++i) {
            const bool nan = std::isnan(y[static_cast<size_t>(i)]);
            nans += nan;
            outside += nan && (i < n || i >= 2 * n);
          }
          CHECK(nans > 0);
          CHECK(outside == 0);
        }
      }
    }
  });
}

TEST_CASE("softmax of a masked class is 0") {
  for_each_isa([](const kernels::KernelTable<float>& table) {
    std::vector<float> x = {1, -INFINITY, 1, -1e30f}, y(4);
    table.softmax.softmax(1, 4, x.data(), y.data());
    CHECK(y == std::vector<float>{0.5f, 0, 0.5f, 0});
  });
}

TEST_CASE("cross entropy of log-probabilities") {
  for_each_isa([](const kernels::KernelTable<float>& table) {
    for (int64_t n : edge_sizes()) {
      for (double smoothing : {0.0, 0.1, 1.0}) {
        if (n == 0) continue;
        CAPTURE(n);
        CAPTURE(smoothing);
        const int64_t rows = 5;
        const auto y = values<float>(rows * n, -6, 0);
        const auto labels = some_labels(rows, n);
        const double loss = table.softmax.cross_entropy(rows, n, smoothing, y.data(), labels.data());
        CHECK(loss ==
              doctest::Approx(reference.cross_entropy(rows, n, smoothing, widen(y).data(), labels.data()))
                  .epsilon(1e-6));
      }
    }
    const std::vector<float> sure = {0, -INFINITY};
    const int64_t right = 0, wrong = 1;
    CHECK(table.softmax.cross_entropy(1, 2, 0, sure.data(), &right) == 0);
    CHECK(table.softmax.cross_entropy(1, 2, 0, sure.data(), &wrong) == INFINITY);
  });
}

TEST_CASE("cross entropy gradient") {
  for (double smoothing : {0.0, 0.1}) {
    CAPTURE(smoothing);
    check_rows(1e-6, [&]<class T>(const kernels::SoftmaxKernels<T>& k, int64_t rows, int64_t n, T* dx) {
      if (n == 0) return;
      const auto y = values<T>(rows * n, -6, 0);
      k.cross_entropy_gradient(rows, n, smoothing, 0.25, y.data(), some_labels(rows, n).data(), dx);
    });
  }
}

TEST_CASE("cross entropy gradient of a sure prediction does not cancel") {
  for_each_isa([](const kernels::KernelTable<float>& table) {
    for (int64_t n : {2, 10, 100}) {
      CAPTURE(n);
      const float sure = -1e-5f;
      std::vector<float> y(static_cast<size_t>(n), -12.0f), dx(y.size());
      const int64_t label = n - 1;
      y.back() = sure;
      table.softmax.cross_entropy_gradient(1, n, 0, 0.5, y.data(), &label, dx.data());
      CHECK(dx.back() == doctest::Approx(0.5 * std::expm1(static_cast<double>(sure))).epsilon(1e-6));
    }
  });
}

TEST_CASE("squared error and its gradient") {
  for_each_isa([](const kernels::KernelTable<float>& table) {
    for (int64_t n : edge_sizes()) {
      CAPTURE(n);
      const auto y = values<float>(n, -1, 1), target = values<float>(n, -1, 1, 1);
      const double expected = reference.squared_error(n, widen(y).data(), widen(target).data());
      CHECK(table.softmax.squared_error(n, y.data(), target.data()) ==
            doctest::Approx(expected).epsilon(1e-13));
      Guarded<float> dy(n);
      std::vector<double> expected_dy(y.size());
      table.softmax.squared_error_gradient(n, 0.5, y.data(), target.data(), dy.data());
      reference.squared_error_gradient(n, 0.5, widen(y).data(), widen(target).data(), expected_dy.data());
      CHECK(dy.intact());
      CHECK(max_error(dy.values(), expected_dy) < 1e-6);
    }
  });
}
