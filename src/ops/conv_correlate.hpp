#pragma once

#include "ops/context.hpp"
#include "ops/conv_geometry.hpp"

namespace pleat {

/// Where a filter's elements are: group g, result channel i, summed channel c, kernel element k at
/// g*group + i*channel + c*summed + k.
struct FilterStrides {
  int64_t group, channel, summed, kernel_width;
};

/// How a sliding sum over images is cut into tasks and blocks; by its sizes alone, so that results do not
/// depend on threads. A forward pass is one of these, an input gradient one for each pair of phases.
///
/// A task makes some rows of some channels of one image. For each block of summed channels it spreads their
/// planes and adds their part to the result: by GEMM on packed columns where there are enough channels to
/// pay for the packing, straight from the planes otherwise.
struct CorrelationPlan {
  ConvAxis y, x;
  FilterStrides filter;
  int64_t batch, groups, in_channels, channels;  ///< channels summed and channels made, of one group
  int64_t out_height, out_width;                 ///< of the whole result
  bool in_place, columns;                        ///< columns: GEMM
  int64_t tile;                                  ///< channels in a panel of packed weights; 1: by planes
  int64_t block_rows, block_in, block_channels, task_channels, block_columns;
  kernels::Spread spread;

  int64_t taps() const { return y.taps * x.taps; }
  int64_t filter_elements() const { return groups * round_up(channels, tile) * in_channels * taps(); }
  /// Bytes of the shared workspace that the offsets take.
  int64_t offset_bytes() const { return round_up(block_in * taps() * 8, 64); }
  int64_t work() const { return batch * groups * channels * in_channels * taps() * y.outputs * x.outputs; }
  bool strided_output() const { return y.out_step != 1 || x.out_step != 1; }
  /// Elements of a worker's scratch: planes, columns, results of a phase.
  int64_t scratch_elements() const;
};

template <class T>
CorrelationPlan plan_correlation(const kernels::KernelTable<T>& kernels, const ConvShape& shape,
                                 const ConvAxis& y, const ConvAxis& x, bool gradient);

/// packed[group][block of summed channels][panel][l][tile], filter_elements() of them.
template <class T>
void pack_filter(const CorrelationPlan& plan, const T* filter, T* packed);

/// x: (batch, groups * in_channels, y.in, x.in). result: (batch, groups * channels, out_height, out_width);
/// only the positions that y and x give are written. offsets: by tap_offsets. bias?, residual?, pad? as in
/// ops::Conv.
template <class T>
void run_correlation(const CorrelationPlan& plan, const Context<T>& context, const T* x, const T* packed,
                     const int64_t* offsets, T* result, const T* bias, const T* residual,
                     const ops::Epilogue& epilogue, const T* pad = nullptr);

/// Copies rows x width results of a phase to where they belong: every out_step-th row and column.
template <class T>
void place_phase(const CorrelationPlan& plan, int64_t first_row, int64_t rows, const T* from, T* plane) {
  for (int64_t r = 0; r < rows; ++r) {
    T* row =
        plane + (plan.y.out_first + (first_row + r) * plan.y.out_step) * plan.out_width + plan.x.out_first;
    for (int64_t q = 0; q < plan.x.outputs; ++q) row[q * plan.x.out_step] = *from++;
  }
}

/// What the channels from `first` on have of an epilogue.
template <class T>
kernels::Epilogue<T> epilogue_at(const ops::Epilogue& epilogue, const T* bias, int64_t channel,
                                 const T* residual, int64_t at, int64_t residual_stride) {
  kernels::Epilogue<T> e;
  if (bias != nullptr) e.row_bias = bias + channel;
  if (residual != nullptr) e.residual = residual + at;
  e.residual_stride = residual_stride;
  e.activation = epilogue.activation;
  e.alpha = static_cast<T>(epilogue.alpha);
  return e;
}

}  // namespace pleat
