#include "kernels_bench.hpp"
#include "ops/gemm_driver.hpp"

namespace pleat::bench {
namespace {

enum class Weight { packed_once, packed_each_time };

// y = x W^T of m rows, as Linear runs it: at inference, or in training, where W changes.
void gemm_bench(benchmark::State& state, Weight weight) {
  const int64_t m = state.range(0), n = state.range(1), k = state.range(2);
  const int threads = static_cast<int>(state.range(3));
  const auto& table = kernels::active_table<float>();
  Tensor x = random_tensor({m, k}), w = random_tensor({n, k}), y({m, n});
  Tensor packed({gemm_packed_elements(n, k)});
  const Workspace need = gemm_workspace(m, n, k, DType::f32);
  const size_t stride = (need.per_worker + 63) / 64 * 64;
  Tensor shared({static_cast<int64_t>(need.shared / 4 + 1)});
  Tensor workers({static_cast<int64_t>(stride / 4) * threads + 1});
  RunArguments arguments{};
  arguments.worker_workspace = static_cast<std::byte*>(workers.raw());
  arguments.worker_stride = stride;
  arguments.kernels = &table;
  const Context<float> context(arguments);
  GemmProblem<float> problem = {.m = m,
                                .n = n,
                                .k = k,
                                .a = {x.data<float>(), k, 1},
                                .b = {w.data<float>(), 1, k},
                                .c = y.data<float>(),
                                .c_stride = n};
  float* workspace = shared.data<float>();
  if (weight == Weight::packed_once && !gemm_reads_b_in_place(m)) {
    gemm_pack(table.gemm, n, k, problem.b, packed.data<float>());
    problem.packed_b = packed.data<float>();
  }
  Arena(threads).execute([&] {
    gemm(context, problem, workspace);  // pages of the workspace are fresh
    for (auto _ : state) {
      gemm(context, problem, workspace);
      benchmark::ClobberMemory();
    }
  });
  count_flops(state, 2.0 * static_cast<double>(m * n * k), threads);
}

void sizes(benchmark::internal::Benchmark* bench, int64_t threads) {
  bench->ArgNames({"m", "n", "k", "threads"});
  for (const int64_t size : {64, 128, 256, 512, 1024, 2048}) bench->Args({size, size, size, threads});
  for (const int64_t m : {1, 4, 16, 128}) bench->Args({m, 512, 784, threads});
  bench->Args({64, 128, 64, threads});  // the digits' hidden layer
}
void one_thread(benchmark::internal::Benchmark* bench) {
  sizes(bench, 1);
}
void two_threads(benchmark::internal::Benchmark* bench) {
  sizes(bench->UseRealTime(), 2);
}

BENCHMARK_CAPTURE(gemm_bench, packed_once, Weight::packed_once)->Apply(one_thread);
BENCHMARK_CAPTURE(gemm_bench, packed_each_time, Weight::packed_each_time)->Apply(one_thread);
BENCHMARK_CAPTURE(gemm_bench, packed_once, Weight::packed_once)->Apply(two_threads);
BENCHMARK_CAPTURE(gemm_bench, packed_each_time, Weight::packed_each_time)->Apply(two_threads);

}  // namespace
}  // namespace pleat::bench
