#include "ops/channels_last/weight_algorithms.hpp"

namespace pleat {
namespace {

constexpr int64_t kBlockElements = 72 << 10;  // transformed tiles of both sides, in the second cache
constexpr int64_t kMostSums = 40 << 10;       // elements of a part's, there too
constexpr int64_t kFewestTiles = 16;          // so many repay reading and writing the sums

}  // namespace

PartedWinogradWeightGradient::PartedWinogradWeightGradient(const ConvShape& given, int64_t rows,
                                                           int64_t columns, int64_t outputs)
    : WinogradWeightTiles(given, rows, columns, outputs) {
  const int64_t all = std::max<int64_t>(1, tiles());
  const int64_t most = std::clamp<int64_t>(kBlockElements / (elements() * (in_stride() + out_stride())), 1,
                                           divide_up(all, kTasks));
  block_tiles = divide_up(all, divide_up(all, most));
  parts = std::min(kTasks, blocks());
}

bool PartedWinogradWeightGradient::fits() const {
  return sum_elements() <= kMostSums && parts == kTasks && block_tiles >= kFewestTiles;
}

// Shared: each part's sums, (elements, in, out). A worker's: the transformed tiles of x, and of dy.
Workspace PartedWinogradWeightGradient::workspace(size_t element) const {
  const int64_t own = elements() * (x_stride(block_tiles) + dy_stride(block_tiles));
  return {static_cast<size_t>(parts * sum_elements()) * element,
          static_cast<size_t>(std::max(own, kFinishElements)) * element};
}

template <class T>
void PartedWinogradWeightGradient::run(const Context<T>& context, const WeightOperands<T>& o) const {
  T* const sums = context.workspace();
  const int64_t work = divide_up(blocks(), parts) * block_tiles * sum_elements() / 16;
  parallel_for(parts, grain_for(work), [&](int64_t begin, int64_t end) {
    T* const x = context.worker_workspace();
    T* const dy = x + elements() * x_stride(block_tiles);
    for (int64_t part = begin; part < end; ++part) {
      const int64_t first = part * blocks() / parts, last = (part + 1) * blocks() / parts;
      for (int64_t block = first; block < last; ++block) {
        const int64_t tile = block * block_tiles, count = std::min(block_tiles, tiles() - tile);
        transform(context, o, tile, count, 0, count, x, dy);
        for (int64_t e = 0; e < elements(); ++e) {
          context.kernels.gemm.multiply_strided(
              ins(), outs(), count, x + e * x_stride(count), 1, in_stride(), dy + e * dy_stride(count),
              sums + part * sum_elements() + e * sum_stride(), outs(), block > first, nullptr);
        }
      }
    }
  });
  add_parts(sums, sum_elements(), parts, sum_elements());
  finish(context, sums, o.dw);
}

template void PartedWinogradWeightGradient::run<float>(const Context<float>&,
                                                       const WeightOperands<float>&) const;
template void PartedWinogradWeightGradient::run<double>(const Context<double>&,
                                                        const WeightOperands<double>&) const;

}  // namespace pleat
