#pragma once

#include <cstddef>
#include <vector>

namespace pleat {

/// Memory that is needed from one stage to another, both included.
struct Lifetime {
  size_t bytes = 0;
  int first = 0, last = 0;
  size_t offset = 0;  ///< filled in
};

/// Gives each an offset, multiples of 64, so that no two alive at the same time overlap: the largest first,
/// each at the lowest place that is free throughout its life (greedy by size; Pisarchyk and Lee 2020).
/// Returns the size of the whole.
size_t assign_offsets(std::vector<Lifetime>& lifetimes);

}  // namespace pleat
