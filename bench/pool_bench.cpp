// Pooling kernels over 64 planes; bytes are those read and written once.

#include "kernels_bench.hpp"

namespace pleat::bench {
namespace {

struct Geometry {
  const char* name;
  int64_t size, kernel, stride, pad;
};
constexpr Geometry kGeometries[] = {
    {"3x3_stride2_pad1/112", 112, 3, 2, 1},
    {"3x3_stride1_pad1/56", 56, 3, 1, 1},
    {"2x2_stride2/32", 32, 2, 2, 0},
    {"2x2_stride2/8", 8, 2, 2, 0},
};
constexpr int64_t kPlanes = 64;

const kernels::PoolKernels<float>& table() {
  return kernels::active_table<float>().pool;
}

kernels::PoolPlane plane_of(const Geometry& g) {
  kernels::PoolPlane p{};
  p.in_h = p.in_w = g.size;
  p.out_h = p.out_w = (g.size + 2 * g.pad - g.kernel) / g.stride + 1;
  p.kernel_h = p.kernel_w = g.kernel;
  p.stride_h = p.stride_w = g.stride;
  p.dilation_h = p.dilation_w = 1;
  p.pad_h = p.pad_w = g.pad;
  return p;
}

/// Runs body(plane, x, y, dx, dy, scratch), which moves x and y or their gradients `passes` times.
template <class Body>
void add_benchmark(const std::string& name, const Geometry& g, int64_t passes, const Body& body) {
  benchmark::RegisterBenchmark((name + "/" + g.name).c_str(), [g, passes, body](benchmark::State& state) {
    const kernels::PoolPlane p = plane_of(g);
    const int64_t in = p.in_h * p.in_w, out = p.out_h * p.out_w;
    const auto x = random_floats(in * kPlanes), dy = random_floats(out * kPlanes);
    std::vector<float> y(dy.size()), dx(x.size()), scratch(static_cast<size_t>(kernels::pool_scratch(p)));
    for (int64_t c = 0; c < kPlanes; ++c)
      table().max(p, x.data() + c * in, y.data() + c * out, scratch.data());
    for (auto _ : state) {
      for (int64_t c = 0; c < kPlanes; ++c) {
        body(p, x.data() + c * in, y.data() + c * out, dx.data() + c * in, dy.data() + c * out,
             scratch.data());
      }
      benchmark::ClobberMemory();
    }
    count_bytes(state, kPlanes * passes * (in + out) * static_cast<int64_t>(sizeof(float)));
  });
}

const bool kRegistered = [] {
  using Plane = kernels::PoolPlane;
  for (const Geometry& g : kGeometries) {
    add_benchmark("max_pool", g, 1,
                  [](const Plane& p, const float* x, float* y, float*, const float*, float* scratch) {
                    table().max(p, x, y, scratch);
                  });
    add_benchmark("max_pool_gradient", g, 2,
                  [](const Plane& p, const float* x, float* y, float* dx, const float* dy, float* scratch) {
                    table().max_gradient(p, x, y, dy, dx, scratch);
                  });
    add_benchmark("avg_pool", g, 1,
                  [](const Plane& p, const float* x, float* y, float*, const float*, float* scratch) {
                    table().average(p, /*count_padding=*/false, x, y, scratch);
                  });
    add_benchmark("avg_pool_gradient", g, 1,
                  [](const Plane& p, const float*, float*, float* dx, const float* dy, float* scratch) {
                    table().average_gradient(p, /*count_padding=*/false, dy, dx, scratch);
                  });
  }
  for (const int64_t n : {49, 1024, 12544}) {
    benchmark::RegisterBenchmark("mean", [](benchmark::State& state) {
      const auto x = random_floats(state.range(0));
      for (auto _ : state) benchmark::DoNotOptimize(table().mean(state.range(0), x.data()));
      count_bytes(state, state.range(0) * static_cast<int64_t>(sizeof(float)));
    })->Arg(n);
  }
  return true;
}();

}  // namespace
}  // namespace pleat::bench
