#include "pleat/profile.hpp"

#include <algorithm>
#include <numeric>

namespace pleat {
namespace {

/// The number of the item that stands in the middle once they are sorted.
template <class Item, class Key>
size_t median_index(const std::vector<Item>& items, const Key& key) {
  std::vector<size_t> order(items.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto middle = order.begin() + static_cast<std::ptrdiff_t>(order.size() / 2);
  std::nth_element(order.begin(), middle, order.end(),
                   [&](size_t a, size_t b) { return key(items[a]) < key(items[b]); });
  return *middle;
}

}  // namespace

double StepProfile::median_us() const {
  if (times.empty()) return 0;
  return times[median_index(times, [](const StepTime& time) { return time.duration_us; })].duration_us;
}

size_t Profile::median_run() const {
  return run_us.empty() ? 0 : median_index(run_us, [](double us) { return us; });
}

}  // namespace pleat
