#pragma once

#include <benchmark/benchmark.h>

#include <map>

#include "machine_peak.hpp"
#include "pleat/isa.hpp"

namespace pleat::bench {

/// Of the active instruction set; measured once for each number of threads, as is the next.
inline double peak_flops(int threads) {
  static std::map<int, double> known;
  const auto [it, is_new] = known.try_emplace(threads);
  if (is_new) it->second = fma_peak(active_isa(), threads);
  return it->second;
}

inline double peak_bytes(int threads) {
  static std::map<int, double> known;
  const auto [it, is_new] = known.try_emplace(threads);
  if (is_new) it->second = memory_bandwidth(threads);
  return it->second;
}

/// Sets the counters of a benchmark that does `flops` operations an iteration on `threads` threads.
inline void count_flops(benchmark::State& state, double flops, int threads = 1) {
  using benchmark::Counter;
  const double done = flops * static_cast<double>(state.iterations());
  state.counters["GFLOP/s"] = Counter(done * 1e-9, Counter::kIsRate);
  state.counters["peak"] = Counter(done / peak_flops(threads), Counter::kIsRate);
}

/// The same of one that must move `bytes` an iteration. In caches it may do better than memory.
inline void count_bytes(benchmark::State& state, int64_t bytes, int threads = 1) {
  using benchmark::Counter;
  const double done = static_cast<double>(bytes) * static_cast<double>(state.iterations());
  state.counters["GB/s"] = Counter(done * 1e-9, Counter::kIsRate);
  state.counters["memory"] = Counter(done / peak_bytes(threads), Counter::kIsRate);
}

}  // namespace pleat::bench
