// Elementwise kernels, in cache (8 Ki elements) and out of it (4 Mi); bytes are those read and written.

#include "kernels_bench.hpp"

namespace pleat::bench {
namespace {

constexpr std::pair<const char*, Activation> kActivations[] = {
    {"relu", Activation::relu},       {"relu6", Activation::relu6}, {"leaky_relu", Activation::leaky_relu},
    {"sigmoid", Activation::sigmoid}, {"silu", Activation::silu},   {"hardswish", Activation::hardswish},
    {"tanh", Activation::tanh},
};

const kernels::ElementwiseKernels<float>& table() {
  return kernels::active_table<float>().elementwise;
}

/// Runs body(n, a, b, y); it moves `arrays` arrays of n floats.
template <class Body>
void add_benchmark(const std::string& name, int64_t arrays, const Body& body) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [arrays, body](benchmark::State& state) {
                                 const int64_t n = state.range(0);
                                 const auto a = random_floats(n), b = random_floats(n);
                                 std::vector<float> y(a.size());
                                 for (auto _ : state) {
                                   body(n, a.data(), b.data(), y.data());
                                   benchmark::ClobberMemory();
                                 }
                                 count_bytes(state, n * arrays * static_cast<int64_t>(sizeof(float)));
                               })
      ->Arg(1 << 13)
      ->Arg(1 << 22);
}

const bool kRegistered = [] {
  for (const auto& [name, activation] : kActivations) {
    add_benchmark(name, 2, [activation = activation](int64_t n, const float* a, const float*, float* y) {
      table().activate(activation, 0.01f, n, a, y);
    });
    add_benchmark(std::string(name) + "_gradient", 3,
                  [activation = activation](int64_t n, const float* a, const float* b, float* y) {
                    table().activate_gradient(activation, 0.01f, n, a, b, y);
                  });
  }
  add_benchmark("add", 3,
                [](int64_t n, const float* a, const float* b, float* y) { table().add(n, a, b, y); });
  add_benchmark("fill", 1, [](int64_t n, const float*, const float*, float* y) { table().fill(n, 1, y); });
  add_benchmark("dropout", 2, [](int64_t n, const float* a, const float*, float* y) {
    table().dropout({Random::mix(1, 2), 1u << 29, 2}, 0, n, a, y);
  });
  return true;
}();

}  // namespace
}  // namespace pleat::bench
