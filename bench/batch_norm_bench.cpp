// Batch norm in training: forward, and forward + backward with ReLU fused, of planes and channels last,
// beside a plain copy of x. GB/s count the bytes that must move: forward reads x and writes y; backward reads
// x and dy and writes dx.

#include <cstring>

#include "kernels_bench.hpp"
#include "support/run_op.hpp"

namespace pleat::bench {
namespace {

enum class Layout { planes, channels_last };

// Of the arguments N, C, H, W, threads; H and W are zero for (N, C).
Shape shape_of(const benchmark::State& state, Layout layout = Layout::planes) {
  const int64_t n = state.range(0), c = state.range(1), h = state.range(2), w = state.range(3);
  if (h == 0) return {n, c};
  return layout == Layout::planes ? Shape{n, c, h, w} : Shape{n, h, w, c};
}

int threads_of(const benchmark::State& state) {
  return static_cast<int>(state.range(4));
}

void batch_norm_copy(benchmark::State& state) {
  const Tensor x = random_tensor(shape_of(state));
  Tensor y(x.shape());
  Arena(threads_of(state)).execute([&] {
    for (auto _ : state) {
      const int64_t n = x.numel();
      parallel_for(n, 1 << 18, [&](int64_t begin, int64_t end) {
        std::memcpy(y.data<float>() + begin, x.data<float>() + begin, static_cast<size_t>(end - begin) * 4);
      });
      benchmark::ClobberMemory();
    }
  });
  count_bytes(state, 2 * static_cast<int64_t>(x.bytes()), threads_of(state));
}

void batch_norm(benchmark::State& state, bool backward, Layout layout) {
  Tensor x = random_tensor(shape_of(state, layout)), dy = x.clone();
  const Shape channels{state.range(1)};
  Tensor weight = random_tensor(channels), bias = random_tensor(channels), mean(channels), var(channels);
  ops::BatchNorm attributes;
  attributes.spatial_dims = x.shape().rank() == 2 ? 1 : 2;
  attributes.batch_statistics = true;
  attributes.channels_last = layout == Layout::channels_last;
  attributes.activation = backward ? Activation::relu : Activation::none;
  test::OpRunner<float> forward(attributes, {&x, &weight, &bias, &mean, &var, nullptr, nullptr});
  forward.run();
  ops::BatchNormGradient gradient;
  gradient.activation = attributes.activation;
  gradient.channels_last = attributes.channels_last;
  test::OpRunner<float> back(gradient, {&x, &dy, &forward.outputs()[1], nullptr});
  Arena(threads_of(state)).execute([&] {
    for (auto _ : state) {
      forward.run();
      if (backward) back.run();
    }
  });
  count_bytes(state, (backward ? 5 : 2) * static_cast<int64_t>(x.bytes()), threads_of(state));
}

void shapes(benchmark::internal::Benchmark* bench) {
  bench->ArgNames({"n", "c", "h", "w", "threads"})->UseRealTime()->Unit(benchmark::kMicrosecond);
  for (const int64_t threads : {1, 2}) {
    bench->Args({32, 64, 112, 112, threads})
        ->Args({32, 256, 56, 56, threads})
        ->Args({32, 512, 28, 28, threads});
    bench->Args({32, 2048, 7, 7, threads})->Args({128, 16, 32, 32, threads});
    bench->Args({1024, 512, 0, 0, threads})->Args({64, 20, 0, 0, threads});
  }
}

BENCHMARK(batch_norm_copy)->Apply(shapes);
BENCHMARK_CAPTURE(batch_norm, forward, false, Layout::planes)->Apply(shapes);
BENCHMARK_CAPTURE(batch_norm, forward_backward_relu, true, Layout::planes)->Apply(shapes);
BENCHMARK_CAPTURE(batch_norm, forward_channels_last, false, Layout::channels_last)->Apply(shapes);
BENCHMARK_CAPTURE(batch_norm, forward_backward_relu_channels_last, true, Layout::channels_last)
    ->Apply(shapes);

}  // namespace
}  // namespace pleat::bench
