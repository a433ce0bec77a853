#include "plan/memory.hpp"

#include <algorithm>
#include <numeric>

namespace pleat {
namespace {

constexpr size_t kAlignment = 64;

constexpr size_t aligned(size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

size_t assign_offsets(std::vector<Lifetime>& lifetimes) {
  std::vector<size_t> order(lifetimes.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lifetimes[a].bytes > lifetimes[b].bytes; });

  std::vector<const Lifetime*> placed;  // by offset
  size_t total = 0;
  for (size_t i : order) {
    Lifetime& mine = lifetimes[i];
    size_t offset = 0;
    for (const Lifetime* other : placed) {
      if (other->last < mine.first || mine.last < other->first) continue;
      if (offset + aligned(mine.bytes) <= other->offset) break;
      offset = std::max(offset, other->offset + aligned(other->bytes));
    }
    mine.offset = offset;
    total = std::max(total, offset + aligned(mine.bytes));
    placed.insert(
        std::upper_bound(placed.begin(), placed.end(), &mine,
                         [](const Lifetime* a, const Lifetime* b) { return a->offset < b->offset; }),
        &mine);
  }
  return total;
}

}  // namespace pleat
