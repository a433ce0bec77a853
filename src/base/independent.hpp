#pragma once

/// Before a loop none of whose steps reads what another one writes, so that it may be vectorized although an
/// output stands where an input stood.
#if defined(__clang__)
#define PLEAT_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define PLEAT_INDEPENDENT _Pragma("GCC ivdep")
#endif
