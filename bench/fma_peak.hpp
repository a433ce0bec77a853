#pragma once

#include <benchmark/benchmark.h>

namespace pleat::bench {

/// Operations a second of one thread that multiplies and adds in registers only, with the widest instructions
/// of the machine; measured once.
double fma_peak();

/// Sets the counters of a benchmark that does `flops` operations an iteration on `threads` threads.
inline void count_flops(benchmark::State& state, double flops, int threads = 1) {
  using benchmark::Counter;
  const double done = flops * static_cast<double>(state.iterations());
  state.counters["GFLOP/s"] = Counter(done * 1e-9, Counter::kIsRate);
  state.counters["peak"] = Counter(done / (fma_peak() * threads), Counter::kIsRate);
}

}  // namespace pleat::bench
