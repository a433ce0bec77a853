#pragma once

#include "ops/conv_correlate.hpp"

namespace pleat {

/// The input gradient of a convolution, which a transposed convolution is: a sum over dy with the kernel
/// reversed, for each pair of phases of the stride apart (see input_gradient_axis).
/// body(plan) for each of these sums.
template <class T, class Body>
void for_phases(const kernels::KernelTable<T>& kernels, const ConvShape& shape, const Body& body) {
  for (int64_t py = 0; py < shape.window.stride[0]; ++py) {
    for (int64_t px = 0; px < shape.window.stride[1]; ++px) {
      body(plan_correlation(kernels, shape, input_gradient_axis(shape, 0, py),
                            input_gradient_axis(shape, 1, px), true));
    }
  }
}

/// Enough for a run that packs the weight itself.
template <class T>
Workspace input_gradient_workspace(const kernels::KernelTable<T>& kernels, const ConvShape& shape) {
  Workspace most;
  for_phases(kernels, shape, [&](const CorrelationPlan& plan) {
    const auto element = static_cast<int64_t>(sizeof(T));
    most.shared =
        std::max(most.shared, static_cast<size_t>(plan.offset_bytes() + plan.filter_elements() * element));
    most.per_worker = std::max(most.per_worker, static_cast<size_t>(plan.scratch_elements() * element));
  });
  return most;
}

/// dx (batch, groups * in_channels, in) from weight and dy; bias? of dx's channels is added. packed: null, or
/// the filters of all phases by pack_filter, one after another.
template <class T>
void run_input_gradient(const ConvShape& shape, const Context<T>& context, const T* weight, const T* packed,
                        const T* dy, const T* bias, T* dx) {
  auto* const offsets = context.template workspace<int64_t>();
  for_phases(context.kernels, shape, [&](const CorrelationPlan& plan) {
    tap_offsets(plan.y, plan.x, plan.spread, plan.in_place, plan.block_in, offsets);
    const T* filter = packed;
    if (packed == nullptr) {
      T* own = reinterpret_cast<T*>(context.template workspace<std::byte>() + plan.offset_bytes());
      pack_filter(plan, weight, own);
      filter = own;
    } else {
      packed += plan.filter_elements();
    }
    run_correlation<T>(plan, context, dy, filter, offsets, dx, bias, nullptr, {});
  });
}

}  // namespace pleat
