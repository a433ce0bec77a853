#pragma once

#include <string_view>

namespace pleat {

/// What the machine can do at most, measured in some milliseconds by simple loops on `threads` threads at
/// once. Best of several attempts; a busy machine gives less.

/// Floating point operations a second, of independent multiply-adds in registers, with the instructions of
/// that instruction set (as active_isa() names it).
double fma_peak(std::string_view isa, int threads);

/// Bytes a second between memory and CPU: STREAM's triad a = b + s c over arrays much larger than the caches,
/// which counts 12 bytes an element.
double memory_bandwidth(int threads);

}  // namespace pleat
