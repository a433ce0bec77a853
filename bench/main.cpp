// Speed of kernels and single ops. Counters: GFLOP/s, and `peak`, the share of the machine's FMA peak (of as
// many threads as the benchmark uses).

#include <benchmark/benchmark.h>

#include "fma_peak.hpp"
#include "pleat/isa.hpp"

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::AddCustomContext("isa", pleat::active_isa());
  benchmark::AddCustomContext("fma_peak_gflops", std::to_string(pleat::bench::fma_peak() * 1e-9));
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
