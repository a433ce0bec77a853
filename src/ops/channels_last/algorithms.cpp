#include <algorithm>

#include "ops/channels_last/algorithms.hpp"

namespace pleat {
namespace {

// Costs in multiply-adds. A byte of weights is read from memory, in which time wider vectors multiply more;
// an element of a tile is transformed beside the products, in and out.
constexpr double kByteColumn = 1.0 / 8, kTransformed = 10;
// Fewer channels leave the transforms longer than the products.
constexpr int64_t kWinogradChannels = 16;

// `weight`: of an element's ways to or from memory.
double direct_cost(const ConvShape& s, double weight) {
  return static_cast<double>(s.multiply_adds()) +
         weight * static_cast<double>(s.in_channels * s.out_channels * 9);
}
double winograd_cost(const WinogradConv& w, double weight) {
  const ConvShape& s = w.shape;
  const auto pairs = static_cast<double>(s.in_channels * s.out_channels * w.elements());
  return pairs * (static_cast<double>(w.tiles()) + weight) +
         kTransformed * static_cast<double>(w.tiles() * w.elements() * (s.in_channels + s.out_channels));
}

}  // namespace

ConvAlgorithm choose_algorithm(const ConvShape& shape, const ops::ConvChannelsLast& attributes, int64_t nr) {
  if (attributes.planar || attributes.global_average || attributes.gated) {
    return DirectConv(shape, attributes, nr);
  }
  if (DepthwiseConv::fits(shape)) return DepthwiseConv{shape, attributes.normalizes.has_value()};
  if (!attributes.precise && WinogradConv::fits(shape) &&
      std::min(shape.in_channels, shape.out_channels) >= kWinogradChannels) {
    const double passes = attributes.trains ? 3 : 1;
    const double weight = passes * 4 * kByteColumn * static_cast<double>(nr);
    const WinogradConv two(shape, nr, 2), four(shape, nr, 4);
    const WinogradConv& best = winograd_cost(two, weight) < winograd_cost(four, weight) ? two : four;
    if (winograd_cost(best, weight) < direct_cost(shape, weight)) return best;
  }
  return DirectConv(shape, attributes, nr);
}

Workspace workspace_of(const ConvAlgorithm& algorithm, size_t element) {
  return std::visit([&](const auto& a) { return a.workspace(element); }, algorithm);
}

size_t packed_bytes(const ConvAlgorithm& algorithm, size_t element) {
  const int64_t elements = std::visit([](const auto& a) { return a.packed_elements(); }, algorithm);
  return static_cast<size_t>(elements) * element;
}

Workspace packing_workspace(const ConvAlgorithm& algorithm, size_t element) {
  const Workspace own = workspace_of(algorithm, element);
  return {whole_lines(own.shared) + packed_bytes(algorithm, element), own.per_worker};
}

template <class T>
const T* pack_in_run(const ConvAlgorithm& algorithm, const Context<T>& context, const FilterView<T>& filter) {
  const size_t own = whole_lines(workspace_of(algorithm, sizeof(T)).shared);
  T* const packed = reinterpret_cast<T*>(context.template workspace<std::byte>() + own);
  std::visit([&](const auto& a) { a.pack(context.kernels, filter, packed); }, algorithm);
  return packed;
}

template const float* pack_in_run<float>(const ConvAlgorithm&, const Context<float>&,
                                         const FilterView<float>&);
template const double* pack_in_run<double>(const ConvAlgorithm&, const Context<double>&,
                                           const FilterView<double>&);

}  // namespace pleat
