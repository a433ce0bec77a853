// The gradients of batch_norm, from what it saved for each part of the batch: (5, C) center, low, inverse,
// scale, shift, and of batch renormalization r and delta. With dy' = dy masked by the activation, d = x -
// mean, and sums and n over a channel of the part; dbias and dweight add up over the parts:
//
//     dbias = sum dy',  dweight = r * inverse * sum dy' d + delta * sum dy',  dresidual = dy'
//     dx = scale * (dy' - sum dy' / n - d * inverse^2 * sum dy' d / n)     (batch statistics)
//     dx = scale * dy'                                                     (constant statistics)

#include <algorithm>

#include "ops/batch_norm_parts.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

enum Input { kX, kDy, kSaved, kY };

struct BatchNormGradientOp {
  using Attributes = ops::BatchNormGradient;
  static constexpr std::string_view name = "batch_norm_gradient";
  static constexpr bool may_be_inplace = true;

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const ValueType &x = *in[kX], channels{x.dtype, {in[kSaved]->shape[1]}};
    std::vector<ValueType> outputs;
    if (attributes.wants_input) outputs.push_back(x);
    if (attributes.wants_residual) outputs.push_back(x);
    if (attributes.wants_weight) outputs.push_back(channels);
    if (attributes.wants_bias) outputs.push_back(channels);
    return outputs;
  }

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    const BatchNormParts parts = parts_of(attributes, in[kX]->shape);
    const int64_t sums = total_sums(attributes, parts) + chunk_sums(attributes, parts);
    const int64_t entries = parts.most([](const BatchNormLayout& part) { return 5 * part.entries(); });
    return {static_cast<size_t>(sums) * sizeof(double) +
                static_cast<size_t>(entries + in[kSaved]->shape.numel()) * size_of(compute),
            0};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const BatchNormParts parts = parts_of(attributes, context.in_shape(kX));
    const int64_t channels = parts.channels();
    Memory<T> memory;
    memory.dbias = context.template workspace<double>();
    memory.dweight = memory.dbias + total_sums(attributes, parts) / 2;
    memory.sums = memory.dbias + total_sums(attributes, parts);
    memory.saved = reinterpret_cast<T*>(memory.sums + chunk_sums(attributes, parts));
    memory.entries = memory.saved + context.in_shape(kSaved).numel();
    int outputs = 0;
    memory.dx = attributes.wants_input ? context.out(outputs++) : nullptr;
    memory.dresidual = attributes.wants_residual ? context.out(outputs++) : nullptr;
    // All copied before anything is written: dx may stand where `saved` stood.
    std::copy_n(context.in(kSaved), context.in_shape(kSaved).numel(), memory.saved);
    for (int64_t i = 0; i < parts.count(); ++i) run_part(attributes, context, parts[i], memory);
    const auto round = [&](const double* total) {
      std::transform(total, total + channels, context.out(outputs++),
                     [](double v) { return static_cast<T>(v); });
    };
    if (attributes.wants_weight) round(memory.dweight);
    if (attributes.wants_bias) round(memory.dbias);
  }

 private:
  template <class T>
  struct Memory {
    double *dbias, *dweight;  // sums over the parts
    double* sums;             // of a part's chunks
    T *saved, *entries;
    T *dx, *dresidual;
  };

  template <class T>
  static void run_part(const Attributes& attributes, const Context<T>& context,
                       const BatchNormParts::Part& part, const Memory<T>& memory) {
    const BatchNormLayout& layout = part.layout;
    const bool sums = needs_sums(attributes);
    double *sums_dy = memory.sums, *sums_dy_x = sums_dy + (sums ? layout.partials() : 0);
    T *center = memory.entries, *scale = center + layout.entries(), *shift = scale + layout.entries();
    T *slope = shift + layout.entries(), *offset = slope + layout.entries();
    T* dx = memory.dx != nullptr ? memory.dx + part.offset : nullptr;
    T* dresidual = memory.dresidual != nullptr ? memory.dresidual + part.offset : nullptr;
    const T* y = context.has(kY) ? context.in(kY) + part.offset : nullptr;
    const T* rows = memory.saved + part.index * saved_rows(attributes.renorm) * layout.channels();

    T *low = slope, *inverse = offset;  // until finish replaces them
    spread_saved(layout, rows, kCenter, center);
    spread_saved(layout, rows, kLow, low);
    spread_saved(layout, rows, kInverse, inverse);
    spread_saved(layout, rows, kScale, scale);
    spread_saved(layout, rows, kShift, shift);
    const auto masked = [&](const BatchNormLayout::Chunk& chunk) {
      return kernels::MaskedGradient<T>{context.in(kX) + part.offset + chunk.offset,
                                        context.in(kDy) + part.offset + chunk.offset,
                                        y != nullptr ? y + chunk.offset : nullptr,
                                        {center + chunk.entry, scale + chunk.entry, shift + chunk.entry},
                                        attributes.activation};
    };

    const auto reduce = [&](const BatchNormLayout::Chunk& chunk) {
      if (!sums) return;
      context.kernels.batch_norm.gradient_sums(masked(chunk), chunk.block, sums_dy + chunk.partial,
                                               sums_dy_x + chunk.partial);
    };
    const auto finish = [&](int64_t c) {
      if (!sums) return;
      double sum_dy = 0, sum_dy_d = 0;
      layout.for_each_partial(c, [&](int64_t i, int64_t) {
        sum_dy += sums_dy[i];
        sum_dy_d += sums_dy_x[i];
      });
      const int64_t first = layout.first_entry(c);
      const double lo = static_cast<double>(low[first]), inv = static_cast<double>(inverse[first]);
      sum_dy_d -= lo * sum_dy;
      const auto row = [&](SavedRow i) { return static_cast<double>(rows[i * layout.channels() + c]); };
      const double r = attributes.renorm ? row(kR) : 1, delta = attributes.renorm ? row(kDelta) : 0;
      if (part.index == 0) memory.dbias[c] = memory.dweight[c] = 0;
      memory.dbias[c] += sum_dy;
      memory.dweight[c] += r * inv * sum_dy_d + delta * sum_dy;
      const double gain =
          static_cast<double>(scale[first]) / static_cast<double>(layout.values_per_channel());
      const double b = -gain * inv * inv * sum_dy_d;
      layout.for_each_entry(c, [&](int64_t e) {
        slope[e] = static_cast<T>(b);
        offset[e] = static_cast<T>(-gain * sum_dy - b * lo);
      });
    };
    const auto apply = [&](const BatchNormLayout::Chunk& chunk) {
      if (dx == nullptr && dresidual == nullptr) return;
      const bool moving = part.uses_batch(attributes.batch_statistics);
      context.kernels.batch_norm.input_gradient(
          masked(chunk), moving ? slope + chunk.entry : nullptr, moving ? offset + chunk.entry : nullptr,
          dx != nullptr ? dx + chunk.offset : nullptr,
          dresidual != nullptr ? dresidual + chunk.offset : nullptr, chunk.block);
    };
    layout.run(reduce, finish, apply);
  }

  // Sums of dbias and dweight over the parts, then of a part's chunks.
  static int64_t total_sums(const Attributes& attributes, const BatchNormParts& parts) {
    return needs_sums(attributes) ? 2 * parts.channels() : 0;
  }
  static int64_t chunk_sums(const Attributes& attributes, const BatchNormParts& parts) {
    if (!needs_sums(attributes)) return 0;
    return parts.most([](const BatchNormLayout& part) { return 2 * part.partials(); });
  }

  static bool needs_sums(const Attributes& attributes) {
    return attributes.wants_weight || attributes.wants_bias ||
           (attributes.wants_input && attributes.batch_statistics);
  }
};

}  // namespace

PLEAT_OP(BatchNormGradientOp)

}  // namespace pleat
