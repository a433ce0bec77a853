// Every batch norm kernel of every instruction set against the double reference, at sizes around the vectors.

#include <doctest/doctest.h>

#include <cmath>
#include <vector>

#include "support/every_isa.hpp"

namespace pleat::test {
namespace {

using kernels::PlaneBlock;

/// A block with its data in both types, in buffers that end where the block ends.
struct Data {
  PlaneBlock block;
  std::vector<float> f;
  std::vector<double> d;

  Data(PlaneBlock b, Random& random, double mean = 0)
      : Data(static_cast<size_t>((b.planes - 1) * b.stride + b.length), random, mean) {
    block = b;
  }
  Data(size_t size, Random& random, double mean = 0) : f(size), d(size) {
    for (size_t i = 0; i < size; ++i)
      d[i] = static_cast<double>(f[i] = static_cast<float>(mean + random.normal()));
  }
};

/// Within `tolerance` of the largest magnitude, or of `size` where that is larger.
void check_near(const std::vector<float>& got, const std::vector<double>& want, double tolerance,
                double size = 1) {
  double worst = 0;
  for (size_t i = 0; i < got.size(); ++i) {
    worst = std::max(worst, std::abs(static_cast<double>(got[i]) - want[i]));
    size = std::max(size, std::abs(want[i]));
  }
  CHECK(worst <= tolerance * size);
}

template <class Body>
void for_each_block(const Body& body) {
  for_each_isa([&](const kernels::KernelTable<float>& table) {
    Random random(seed());
    for (const bool per_column : {false, true}) {
      for (const int64_t planes : {1, 2, 3, 4, 5, 9}) {
        for (const int64_t length : edge_sizes()) {
          INFO(planes, " planes of ", length, per_column ? ", per column" : "");
          if (length > 0) body(table, PlaneBlock{planes, length + 3, length, per_column}, random);
        }
        // More columns than are summed at once, more values than four vectors hold.
        body(table, PlaneBlock{planes, 1100, 1030, per_column}, random);
      }
    }
  });
}

template <class T>
kernels::Coefficients<T> coefficients(const std::vector<T>& center, const std::vector<T>& scale,
                                      const std::vector<T>& shift) {
  return {center.data(), scale.data(), shift.data()};
}

TEST_CASE("batch norm kernels: statistics") {
  for_each_block([&](const kernels::KernelTable<float>& table, PlaneBlock block, Random& random) {
    const Data x(block, random, 100);
    const auto count = static_cast<size_t>(block.per_column ? block.length : 1);
    std::vector<double> mean(count), m2(count), want_mean(count), want_m2(count);
    const auto run = [&](const auto& kernels, const auto* data, std::vector<double>& means,
                         std::vector<double>& m2s) {
      (block.per_column ? kernels.column_statistics : kernels.statistics)(data, block, means.data(),
                                                                          m2s.data());
    };
    run(table.batch_norm, x.f.data(), mean, m2);
    run(kernels::reference_table<double>().batch_norm, x.d.data(), want_mean, want_m2);
    for (size_t i = 0; i < count; ++i) {
      CHECK(std::abs(mean[i] - want_mean[i]) <= 1e-5);
      CHECK(std::abs(m2[i] - want_m2[i]) <= 1e-6 * want_m2[i]);
    }
  });
}

TEST_CASE("batch norm kernels: normalize") {
  for_each_block([&](const kernels::KernelTable<float>& table, PlaneBlock block, Random& random) {
    const auto count = static_cast<size_t>(block.per_column ? block.length : 1);
    const Data x(block, random), residual(block, random), center(count, random), scale(count, random),
        shift(count, random);
    for (const Activation act :
         {Activation::none, Activation::relu, Activation::relu6, Activation::leaky_relu, Activation::sigmoid,
          Activation::silu, Activation::hardswish, Activation::tanh}) {
      for (const bool with_residual : {false, true}) {
        CAPTURE(static_cast<int>(act));
        CAPTURE(with_residual);
        Guarded<float> y(x.f);  // in place: what lies between the planes must stay
        std::vector<double> want = x.d;
        table.batch_norm.normalize(y.data(), with_residual ? residual.f.data() : nullptr, y.data(), block,
                                   coefficients(center.f, scale.f, shift.f), act, 0.1f);
        kernels::reference_table<double>().batch_norm.normalize(
            want.data(), with_residual ? residual.d.data() : nullptr, want.data(), block,
            coefficients(center.d, scale.d, shift.d), act, 0.1);
        CHECK(y.intact());
        CHECK(max_error(y.values(), want) <= 1e-6);
      }
    }
  });
}

TEST_CASE("batch norm kernels: streamed results are the same") {
  for_each_isa([](const kernels::KernelTable<float>& table) {
    Random random(seed());
    for (const bool per_column : {false, true}) {
      for (const int64_t length : {16, 48, 80}) {
        CAPTURE(length);
        PlaneBlock block{3, 96, length, per_column};
        const Data x(block, random), coefficients_of(static_cast<size_t>(length), random);
        const float* c = coefficients_of.f.data();
        Tensor results[2];
        for (const bool streamed : {false, true}) {
          Tensor& y = results[streamed ? 1 : 0];
          y = Tensor({block.planes, block.stride});
          block.streamed = streamed;
          table.batch_norm.normalize(x.f.data(), nullptr, y.data<float>(), block, {c, c, c}, Activation::relu,
                                     0);
        }
        CHECK(std::ranges::equal(results[0].span<float>(), results[1].span<float>()));
      }
    }
  });
}

TEST_CASE("batch norm kernels: gradients") {
  for_each_block([&](const kernels::KernelTable<float>& table, PlaneBlock block, Random& random) {
    const auto count = static_cast<size_t>(block.per_column ? block.length : 1);
    const Data x(block, random), dy(block, random), y(block, random), center(count, random),
        scale(count, random), shift(count, random), slope(count, random), offset(count, random);
    for (const Activation act : {Activation::none, Activation::relu, Activation::relu6}) {
      for (const int variant : {0, 1, 2, 3}) {
        const bool from_y = (variant & 1) != 0, constant = (variant & 2) != 0;
        CAPTURE(static_cast<int>(act));
        CAPTURE(variant);
        const auto run = [&]<class T>(const kernels::KernelTable<T>& any, const std::vector<T>& vx,
                                      const std::vector<T>& vdy, const std::vector<T>& vy,
                                      const kernels::Coefficients<T>& c, const std::vector<T>& a,
                                      const std::vector<T>& b, std::vector<T>& sums) {
          const kernels::MaskedGradient<T> g{vx.data(), vdy.data(), from_y ? vy.data() : nullptr, c, act};
          std::vector<double> both(2 * count);
          any.batch_norm.gradient_sums(g, block, both.data(), both.data() + count);
          sums.assign(both.begin(), both.end());
          std::vector<T> results(2 * vx.size(), T(-7));
          T *dx = results.data(), *dresidual = dx + vx.size();
          const T *slopes = constant ? nullptr : a.data(), *offsets = constant ? nullptr : b.data();
          any.batch_norm.input_gradient(g, slopes, offsets, dx, dresidual, block);

          std::vector<T> alone = vdy;  // in place over dy, without dresidual
          const kernels::MaskedGradient<T> in_place{vx.data(), alone.data(), g.y, c, act};
          any.batch_norm.input_gradient(in_place, slopes, offsets, alone.data(), nullptr, block);
          int64_t different = 0;
          for (int64_t p = 0; p < block.planes; ++p) {
            for (int64_t i = p * block.stride; i < p * block.stride + block.length; ++i) {
              different += alone[static_cast<size_t>(i)] != dx[i];
            }
          }
          CHECK(different == 0);
          return results;
        };
        std::vector<float> sums;
        std::vector<double> want_sums;
        const std::vector<float> got =
            run(table, x.f, dy.f, y.f, coefficients(center.f, scale.f, shift.f), slope.f, offset.f, sums);
        const std::vector<double> want =
            run(kernels::reference_table<double>(), x.d, dy.d, y.d, coefficients(center.d, scale.d, shift.d),
                slope.d, offset.d, want_sums);
        check_near(got, want, 1e-6);
        check_near(sums, want_sums, 1e-6, static_cast<double>(block.values()) / static_cast<double>(count));
      }
    }
  });
}

}  // namespace
}  // namespace pleat::test
