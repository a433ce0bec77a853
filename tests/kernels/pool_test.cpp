#include <doctest/doctest.h>

#include <cmath>
#include <limits>

#include "support/every_isa.hpp"

namespace pleat::test {
namespace {

struct Geometry {
  int64_t kernel, stride, dilation, pad_begin, pad_end;
};

/// Along both dimensions; outputs as the ops compute them, or none where the kernel does not fit. beyond: the
/// last window may end outside.
bool make_plane(int64_t h, int64_t w, const Geometry& vertical, const Geometry& horizontal,
                kernels::PoolPlane& plane, bool beyond = false) {
  const auto out = [&](int64_t size, const Geometry& g) {
    const int64_t more = beyond ? g.stride - 1 : 0;
    const int64_t room = size + g.pad_begin + g.pad_end - (g.kernel - 1) * g.dilation - 1 + more;
    const int64_t count = room < 0 ? 0 : room / g.stride + 1;
    return beyond && (count - 1) * g.stride >= size + g.pad_begin ? count - 1 : count;
  };
  plane = {};
  plane.in_h = h;
  plane.in_w = w;
  plane.out_h = out(h, vertical);
  plane.out_w = out(w, horizontal);
  plane.kernel_h = vertical.kernel;
  plane.kernel_w = horizontal.kernel;
  plane.stride_h = vertical.stride;
  plane.stride_w = horizontal.stride;
  plane.dilation_h = vertical.dilation;
  plane.dilation_w = horizontal.dilation;
  plane.pad_h = vertical.pad_begin;
  plane.pad_w = horizontal.pad_begin;
  plane.pad_end_h = vertical.pad_end;
  plane.pad_end_w = horizontal.pad_end;
  return plane.out_h > 0 && plane.out_w > 0;
}

const std::vector<Geometry>& geometries() {
  static const std::vector<Geometry> list = {
      {1, 1, 1, 0, 0}, {2, 2, 1, 0, 0}, {3, 2, 1, 1, 1}, {3, 1, 1, 1, 1}, {3, 3, 1, 0, 0}, {2, 1, 1, 0, 1},
      {2, 1, 1, 1, 0}, {5, 2, 1, 2, 2}, {3, 1, 2, 2, 2}, {3, 2, 3, 1, 2}, {4, 3, 1, 2, 1}, {7, 7, 1, 3, 3},
      {2, 5, 1, 0, 0}, {8, 1, 1, 4, 4}, {1, 3, 1, 0, 0}, {2, 4, 2, 1, 1}, {3, 1, 1, 2, 2}, {3, 2, 2, 4, 3},
  };
  return list;
}

/// body(plane) for every geometry at widths around the SIMD edges; the vertical one differs.
template <class Body>
void for_planes(const Body& body) {
  const auto& list = geometries();
  for (size_t g = 0; g < list.size(); ++g) {
    for (const int64_t w : edge_sizes()) {
      const int64_t h = 1 + (w * 5 + static_cast<int64_t>(g)) % 9;
      kernels::PoolPlane plane;
      for (const size_t vertical : {g, (g + 5) % list.size()}) {
        if (w == 0 || !make_plane(h, w, list[vertical], list[g], plane, /*beyond=*/vertical != g)) continue;
        INFO("in ", h, "x", w, ", kernel ", plane.kernel_h, "x", plane.kernel_w, ", stride ", plane.stride_h,
             "x", plane.stride_w, ", dilation ", plane.dilation_h, "x", plane.dilation_w, ", pad ",
             plane.pad_h, "x", plane.pad_w);
        body(plane);
      }
    }
  }
}

const kernels::PoolKernels<double>& exact() {
  return kernels::reference_table<double>().pool;
}

/// Few different values, so that many windows have their maximum more than once.
std::vector<float> with_ties(Random& random, int64_t n) {
  std::vector<float> values(static_cast<size_t>(n));
  for (float& value : values) value = static_cast<float>(random.below(5)) - 2;
  return values;
}

}  // namespace

TEST_CASE("max pool and its gradient") {
  for_each_isa([](const kernels::KernelTable<float>& table) {
    Random random(seed());
    for_planes([&](const kernels::PoolPlane& p) {
      const int64_t in = p.in_h * p.in_w, out = p.out_h * p.out_w;
      auto x = with_ties(random, in);
      const auto dy = uniform(random, out);
      for (const bool nan : {false, true}) {
        if (nan) x[random.below(x.size())] = std::numeric_limits<float>::quiet_NaN();
        Guarded<float> y(out), dx(in), scratch(kernels::pool_scratch(p));
        std::vector<double> y_exact(static_cast<size_t>(out)), dx_exact(x.size());
        table.pool.max(p, x.data(), y.data(), scratch.data());
        exact().max(p, widen(x).data(), y_exact.data(), nullptr);
        CHECK((y.intact() && scratch.intact()));
        CHECK(max_error(y.values(), y_exact) == 0);

        table.pool.max_gradient(p, x.data(), y.data(), dy.data(), dx.data(), scratch.data());
        exact().max_gradient(p, widen(x).data(), y_exact.data(), widen(dy).data(), dx_exact.data(), nullptr);
        CHECK((dx.intact() && scratch.intact()));
        CHECK(max_error(dx.values(), dx_exact) < 1e-6);
      }
    });
  });
}

TEST_CASE("average pool and its gradient") {
  for_each_isa([](const kernels::KernelTable<float>& table) {
    Random random(seed());
    for_planes([&](const kernels::PoolPlane& p) {
      const int64_t in = p.in_h * p.in_w, out = p.out_h * p.out_w;
      const auto x = uniform(random, in), dy = uniform(random, out);
      for (const bool count_padding : {false, true}) {
        CAPTURE(count_padding);
        Guarded<float> y(out), dx(in), scratch(kernels::pool_scratch(p));
        std::vector<double> y_exact(static_cast<size_t>(out)), dx_exact(x.size());
        table.pool.average(p, count_padding, x.data(), y.data(), scratch.data());
        exact().average(p, count_padding, widen(x).data(), y_exact.data(), nullptr);
        CHECK((y.intact() && scratch.intact()));
        CHECK(max_error(y.values(), y_exact) < 2e-6);

        table.pool.average_gradient(p, count_padding, dy.data(), dx.data(), scratch.data());
        exact().average_gradient(p, count_padding, widen(dy).data(), dx_exact.data(), nullptr);
        CHECK((dx.intact() && scratch.intact()));
        CHECK(max_error(dx.values(), dx_exact) < 2e-6);
      }
    });
  });
}

TEST_CASE("max pool: by hand") {
  for_each_isa([](const kernels::KernelTable<float>& table) {
    kernels::PoolPlane p;
    REQUIRE(make_plane(3, 3, {2, 1, 1, 0, 0}, {2, 1, 1, 0, 0}, p));
    const std::vector<float> x = {1, 5, 2,  //
                                  5, 0, 3,  //
                                  4, 4, 3},
                             dy = {1, 10, 100, 1000};
    std::vector<float> y(4), dx(9), scratch(static_cast<size_t>(kernels::pool_scratch(p)));
    table.pool.max(p, x.data(), y.data(), scratch.data());
    CHECK(y == std::vector<float>{5, 5, 5, 4});
    table.pool.max_gradient(p, x.data(), y.data(), dy.data(), dx.data(), scratch.data());
    CHECK(dx == std::vector<float>{0, 11, 0, 100, 0, 0, 0, 1000, 0});
  });
}

TEST_CASE("mean is exact to 1e-7 of the magnitude") {
  for_each_isa([](const kernels::KernelTable<float>& table) {
    Random random(seed());
    for (const int64_t n : {1, 3, 7, 8, 9, 31, 33, 49, 64, 196, 1023, 1024, 1025, 12544, 50176, 1000003}) {
      CAPTURE(n);
      const auto x = uniform(random, n, 0, 2);
      const double expected = exact().mean(n, widen(x).data());
      CHECK(std::abs(table.pool.mean(n, x.data()) - expected) < 1e-7 * std::max(1.0, expected));
    }
  });
}

}  // namespace pleat::test
