// The gradients of batch_norm, from what it saved: (5, C) center, low, inverse, scale, shift. With
// dy' = dy masked by the activation, d = x - mean, and sums and n over a channel:
//
//     dbias = sum dy',  dweight = inverse * sum dy' d,  dresidual = dy'
//     dx = scale * (dy' - sum dy' / n - d * inverse^2 * sum dy' d / n)     (batch statistics)
//     dx = scale * dy'                                                     (constant statistics)

#include "ops/batch_norm_layout.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

enum Input { kX, kDy, kSaved, kY };
enum Saved { kCenter, kLow, kInverse, kScale, kShift };

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
    const BatchNormLayout layout(in[kX]->shape, attributes.channels_last);
    const int64_t sums = needs_sums(attributes) ? 2 * layout.partials() : 0;
    return {static_cast<size_t>(sums) * sizeof(double) +
                static_cast<size_t>(5 * layout.entries()) * size_of(compute),
            0};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const BatchNormLayout layout(context.in_shape(kX), attributes.channels_last);
    const bool sums = needs_sums(attributes);
    double* sums_dy = context.template workspace<double>();
    double* sums_dy_x = sums_dy + (sums ? layout.partials() : 0);
    T* center = reinterpret_cast<T*>(sums_dy_x + (sums ? layout.partials() : 0));
    T *scale = center + layout.entries(), *shift = scale + layout.entries();
    T *slope = shift + layout.entries(), *offset = slope + layout.entries();
    int outputs = 0;
    T* dx = attributes.wants_input ? context.out(outputs++) : nullptr;
    T* dresidual = attributes.wants_residual ? context.out(outputs++) : nullptr;
    T* dweight = attributes.wants_weight ? context.out(outputs++) : nullptr;
    T* dbias = attributes.wants_bias ? context.out(outputs++) : nullptr;

    // All copied before anything is written: dx may stand where `saved` stood.
    T *low = slope, *inverse = offset;  // until finish replaces them
    for (int64_t c = 0; c < layout.channels(); ++c) {
      const auto saved = [&](Saved row) { return context.in(kSaved)[row * layout.channels() + c]; };
      layout.for_each_entry(c, [&](int64_t e) {
        center[e] = saved(kCenter);
        low[e] = saved(kLow);
        inverse[e] = saved(kInverse);
        scale[e] = saved(kScale);
        shift[e] = saved(kShift);
      });
    }
    const auto masked = [&](const BatchNormLayout::Chunk& chunk) {
      return kernels::MaskedGradient<T>{context.in(kX) + chunk.offset,
                                        context.in(kDy) + chunk.offset,
                                        context.has(kY) ? context.in(kY) + chunk.offset : nullptr,
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
      if (dbias != nullptr) dbias[c] = static_cast<T>(sum_dy);
      if (dweight != nullptr) dweight[c] = static_cast<T>(sum_dy_d * inv);
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
      const bool moving = attributes.batch_statistics;
      context.kernels.batch_norm.input_gradient(
          masked(chunk), moving ? slope + chunk.entry : nullptr, moving ? offset + chunk.entry : nullptr,
          dx != nullptr ? dx + chunk.offset : nullptr,
          dresidual != nullptr ? dresidual + chunk.offset : nullptr, chunk.block);
    };
    layout.run(reduce, finish, apply);
  }

 private:
  static bool needs_sums(const Attributes& attributes) {
    return attributes.wants_weight || attributes.wants_bias ||
           (attributes.wants_input && attributes.batch_statistics);
  }
};

}  // namespace

PLEAT_OP(BatchNormGradientOp)

}  // namespace pleat
