#include "ops/channels_last/weight_algorithms.hpp"

namespace pleat {
namespace {

constexpr int64_t kChunkElements = 2 << 20;   // transformed tiles of both sides, in the last cache
constexpr int64_t kFewestTiles = 64;          // so many repay reading and writing the sums
constexpr int64_t kPanelElements = 48 << 10;  // of x, in the second cache

}  // namespace

WinogradWeightGradient::WinogradWeightGradient(const ConvShape& given, int64_t rows, int64_t columns,
                                               int64_t outputs)
    : WinogradWeightTiles(given, rows, columns, outputs) {
  const int64_t all = std::max<int64_t>(1, tiles());
  const int64_t most = std::max(kFewestTiles, kChunkElements / (elements() * (in_stride() + out_stride())));
  chunk_tiles = divide_up(all, divide_up(all, most));
  const int64_t most_in = std::max(4 * mr, kPanelElements / chunk_tiles);
  block_in = round_up(divide_up(ins(), divide_up(ins(), most_in)), mr);
}

// Shared: the sums, (elements, in, out), then the transformed tiles of x, and of dy. A worker's: panels of x.
Workspace WinogradWeightGradient::workspace(size_t element) const {
  const int64_t transformed = elements() * (x_stride(chunk_tiles) + dy_stride(chunk_tiles));
  const int64_t own = std::max(chunk_tiles * block_in, kFinishElements);
  return {static_cast<size_t>(sum_elements() + transformed) * element, static_cast<size_t>(own) * element};
}

template <class T>
void WinogradWeightGradient::run(const Context<T>& context, const WeightOperands<T>& o) const {
  T* const sums = context.workspace();
  T* const x = sums + sum_elements();
  T* const dy = x + elements() * x_stride(chunk_tiles);
  const int64_t blocks = divide_up(ins(), block_in);
  for (int64_t first = 0; first < tiles(); first += chunk_tiles) {
    const int64_t count = std::min(chunk_tiles, tiles() - first);
    parallel_for(count, grain_for(elements() * (ins() + outs()) / 4),
                 [&](int64_t begin, int64_t end) { transform(context, o, first, count, begin, end, x, dy); });
    parallel_for(
        elements() * blocks, grain_for(count * block_in * outs() / 16), [&](int64_t begin, int64_t end) {
          T* const panels = context.worker_workspace();
          for (int64_t i = begin; i < end; ++i) {
            const int64_t e = i / blocks, in = i % blocks * block_in, rows = std::min(block_in, ins() - in);
            context.kernels.gemm.pack_a(rows, count, x + e * x_stride(count) + in, 1, in_stride(), panels);
            context.kernels.gemm.multiply(rows, outs(), count, panels, dy + e * dy_stride(count),
                                          sums + e * sum_stride() + in * outs(), outs(), first > 0, nullptr);
          }
        });
  }
  finish(context, sums, o.dw);
}

template void WinogradWeightGradient::run<float>(const Context<float>&, const WeightOperands<float>&) const;
template void WinogradWeightGradient::run<double>(const Context<double>&,
                                                  const WeightOperands<double>&) const;

}  // namespace pleat
