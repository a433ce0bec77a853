// Batch normalization (Ioffe and Szegedy 2015) with PyTorch's meaning.
//
// Statistics: each chunk of a channel gives mean and sum of squared deviations; the chunks are joined in
// double, in the order of their places (moments.hpp).
//
// The last output is saved for the backward pass, for each part (all items, or the runs of
// virtual_batch_size) the rows (5, C): center, low, inverse, scale, shift, where mean = center + low to twice
// the precision, inverse = 1 / sqrt(var + eps), scale = weight * r * inverse, shift = bias + weight * d - low
// * scale, and y = act((x - center) * scale + shift + residual). Batch renormalization adds the rows r and d,
// which are 1 and 0 without.

#include <cmath>

#include "ops/batch_norm_checks.hpp"
#include "ops/batch_norm_parts.hpp"
#include "ops/batch_norm_renorm.hpp"
#include "ops/context.hpp"
#include "ops/moments.hpp"

namespace pleat {
namespace {

bool takes_statistics(const ops::BatchNorm& attributes, bool given) {
  return attributes.batch_statistics && !given;
}

struct BatchNormOp {
  using Attributes = ops::BatchNorm;
  static constexpr std::string_view name = "batch_norm";
  static constexpr bool may_be_inplace = true;

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape& x = in[kX]->shape;
    check_batch_norm(attributes, in);
    const bool parted = attributes.batch_statistics && attributes.virtual_batch_size > 0;
    const int64_t rows = parted && !x.is_static()
                             ? kDynamic
                             : parts_of(attributes, x).count() * saved_rows(attributes.renorm.has_value());
    const ValueType saved{in[kX]->dtype, {rows, channels_of(attributes, x)}};
    if (attributes.saves_only) return {saved};
    return {{in[kX]->dtype, x}, saved};
  }

  static std::vector<int> mutated(const Attributes& attributes) {
    if (!attributes.batch_statistics) return {};
    return {kRunningMean, kRunningVar, kBatchesTracked};
  }

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    const BatchNormParts parts = parts_of(attributes, in[kX]->shape);
    const int64_t sums = takes_statistics(attributes, in.size() > kMoments && in[kMoments] != nullptr)
                             ? parts.most([](const BatchNormLayout& part) { return 2 * part.partials(); })
                             : 0;
    const int64_t entries = parts.most([](const BatchNormLayout& part) { return 3 * part.entries(); });
    return {static_cast<size_t>(sums) * sizeof(double) + static_cast<size_t>(entries) * size_of(compute), 0};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const BatchNormParts parts = parts_of(attributes, context.in_shape(kX));
    for (int64_t i = 0; i < parts.count(); ++i) run_part(attributes, context, parts[i]);
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    const ValueId dy = scope.output_gradient(0);
    if (dy == kAbsent) return;
    const bool has_residual = scope.input(kResidual) != kAbsent;
    const bool masked = attributes.activation != Activation::none;
    if (scope.wants(kResidual) && !masked) scope.set_input_gradient(kResidual, dy);

    ops::BatchNormGradient gradient;
    gradient.batch_statistics = attributes.batch_statistics;
    gradient.channels_last = attributes.channels_last;
    gradient.virtual_batch_size = attributes.virtual_batch_size;
    gradient.renorm = attributes.renorm.has_value();
    gradient.activation = attributes.activation;
    std::vector<int> targets;
    const auto ask = [&](bool& flag, int i, bool wanted) {
      flag = wanted;
      if (wanted) targets.push_back(i);
    };
    ask(gradient.wants_input, kX, scope.wants(kX));
    ask(gradient.wants_residual, kResidual, scope.wants(kResidual) && masked);
    ask(gradient.wants_weight, kWeight, scope.wants(kWeight));
    ask(gradient.wants_bias, kBias, scope.wants(kBias));
    if (targets.empty()) return;
    const ValueId y = has_residual && masked ? scope.output(0) : kAbsent;
    const std::vector<ValueId> made = scope.emit(gradient, {scope.input(kX), dy, scope.output(1), y});
    for (size_t i = 0; i < targets.size(); ++i) scope.set_input_gradient(targets[i], made[i]);
  }

 private:
  template <class T>
  static void run_part(const Attributes& attributes, const Context<T>& context,
                       const BatchNormParts::Part& part) {
    const BatchNormLayout& layout = part.layout;
    const bool from_batch = part.uses_batch(attributes.batch_statistics);
    const T *x = context.in(kX) + part.offset, *residuals = context.in(kResidual);
    T* const y = attributes.saves_only ? nullptr : context.out(0) + part.offset;
    T* saved = context.out(attributes.saves_only ? 0 : 1) +
               part.index * saved_rows(attributes.renorm.has_value()) * layout.channels();
    const Renorm renorm =
        from_batch && attributes.renorm
            ? Renorm(*attributes.renorm, *context.template mutated<int64_t>(kBatchesTracked))
            : Renorm();
    const T* const moments = context.in(kMoments);
    const int64_t partials = takes_statistics(attributes, moments != nullptr) ? layout.partials() : 0;
    double* means = context.template workspace<double>();
    double* m2s = means + partials;
    T* center = reinterpret_cast<T*>(m2s + partials);
    T *scale = center + layout.entries(), *shift = scale + layout.entries();
    const double momentum = from_batch ? next_momentum(attributes, context) : 0;

    const auto reduce = [&](const BatchNormLayout::Chunk& chunk) {
      if (!from_batch || moments != nullptr) return;
      const auto& kernels = context.kernels.batch_norm;
      (chunk.block.per_column ? kernels.column_statistics : kernels.statistics)(
          x + chunk.offset, chunk.block, means + chunk.partial, m2s + chunk.partial);
    };
    const auto finish = [&](int64_t c) {
      double mean, var, r = 1, d = 0;
      if (from_batch) {
        const double n = static_cast<double>(layout.values_per_channel());
        const auto partials_of_channel = [&](const auto& body) {
          layout.for_each_partial(c, [&](int64_t i, int64_t count) {
            body(count, Moments{means[i], m2s[i]});
          });
        };
        const Moments made = moments != nullptr ? read_moments(moments, layout.channels(), c)
                                                : join_moments(partials_of_channel);
        mean = made.mean;
        var = made.m2 / n;
        if (attributes.renorm) {
          const double running_sigma =
              std::sqrt(static_cast<double>(context.in(kRunningVar)[c]) + attributes.eps);
          r = renorm.r(std::sqrt(var + attributes.eps), running_sigma);
          d = renorm.d(mean, static_cast<double>(context.in(kRunningMean)[c]), running_sigma);
        }
        if (context.has(kRunningMean)) {
          move(context.mutated(kRunningMean)[c], mean, momentum);
          move(context.mutated(kRunningVar)[c], made.m2 / (n - 1), momentum);
        }
      } else {
        mean = static_cast<double>(context.in(kRunningMean)[c]);
        var = static_cast<double>(context.in(kRunningVar)[c]);
      }
      const double inverse = 1 / std::sqrt(var + attributes.eps);
      const double weight = context.has(kWeight) ? static_cast<double>(context.in(kWeight)[c]) : 1;
      const double gain = weight * r * inverse;
      const double bias = context.has(kBias) ? static_cast<double>(context.in(kBias)[c]) : 0;
      const T high = static_cast<T>(mean);
      const double low = mean - static_cast<double>(high);
      const T values[7] = {high,
                           static_cast<T>(low),
                           static_cast<T>(inverse),
                           static_cast<T>(gain),
                           static_cast<T>(bias + weight * d - low * gain),
                           static_cast<T>(r),
                           static_cast<T>(d)};
      for (int64_t i = 0; i < saved_rows(attributes.renorm.has_value()); ++i)
        saved[i * layout.channels() + c] = values[i];
      layout.for_each_entry(c, [&](int64_t e) {
        center[e] = values[kCenter];
        scale[e] = values[kScale];
        shift[e] = values[kShift];
      });
    };
    const bool large =
        context.in_shape(kX).numel() >= kStreamedElements && y != x && context.out(0) != residuals;
    const auto apply = [&](const BatchNormLayout::Chunk& chunk) {
      if (attributes.saves_only) return;
      const T* residual = residuals != nullptr ? residuals + part.offset + chunk.offset : nullptr;
      kernels::PlaneBlock block = chunk.block;
      block.streamed = large && begins_lines(y + chunk.offset, block.stride);
      context.kernels.batch_norm.normalize(x + chunk.offset, residual, y + chunk.offset, block,
                                           {center + chunk.entry, scale + chunk.entry, shift + chunk.entry},
                                           attributes.activation, T(0));
    };
    layout.run(reduce, finish, apply);
  }

  /// Counts this batch, and says how much of it goes into the running statistics.
  template <class T>
  static double next_momentum(const Attributes& attributes, const Context<T>& context) {
    if (!context.has(kRunningMean)) return 0;
    int64_t* count = context.template mutated<int64_t>(kBatchesTracked);
    if (count != nullptr) ++*count;
    return attributes.momentum ? *attributes.momentum : 1 / static_cast<double>(*count);
  }

  template <class T>
  static void move(T& running, double value, double momentum) {
    running = static_cast<T>((1 - momentum) * static_cast<double>(running) + momentum * value);
  }
};

}  // namespace

PLEAT_OP(BatchNormOp)

}  // namespace pleat
