// Speed of kernels and single ops. Counters: GFLOP/s, and `peak`, their share of the machine's FMA peak; GB/s
// of what must be read and written, and `memory`, their share of the memory's bandwidth. Both are measured
// here, with the active instruction set and as many threads as the benchmark uses.

#include <benchmark/benchmark.h>

#include <string>

#include "counters.hpp"

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::AddCustomContext("isa", pleat::active_isa());
  benchmark::AddCustomContext("fma_peak_gflops", std::to_string(pleat::bench::peak_flops(1) * 1e-9));
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
