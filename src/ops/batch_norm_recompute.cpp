// y of batch_norm from its input and what it saved, for each part of the batch: y = act((x - center) * scale
// + shift + residual), with the same bits, and without moving the running statistics.

#include "ops/batch_norm_parts.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

enum Input { kX, kSaved, kResidual, kAfter };

struct BatchNormRecomputeOp {
  using Attributes = ops::BatchNormRecompute;
  static constexpr std::string_view name = "batch_norm_recompute";

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    return {{in[kX]->dtype, in[kX]->shape}};
  }

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    const BatchNormParts parts = parts_of(attributes, in[kX]->shape);
    const int64_t entries = parts.most([](const BatchNormLayout& part) { return 3 * part.entries(); });
    return {static_cast<size_t>(entries) * size_of(compute), 0};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const BatchNormParts parts = parts_of(attributes, context.in_shape(kX));
    for (int64_t i = 0; i < parts.count(); ++i) run_part(attributes, context, parts[i]);
  }

 private:
  template <class T>
  static void run_part(const Attributes& attributes, const Context<T>& context,
                       const BatchNormParts::Part& part) {
    const BatchNormLayout& layout = part.layout;
    const T* rows = context.in(kSaved) + part.index * saved_rows(attributes.renorm) * layout.channels();
    T* center = context.workspace();
    T *scale = center + layout.entries(), *shift = scale + layout.entries();
    spread_saved(layout, rows, kCenter, center);
    spread_saved(layout, rows, kScale, scale);
    spread_saved(layout, rows, kShift, shift);
    layout.for_each_chunk([&](const BatchNormLayout::Chunk& chunk) {
      const int64_t place = part.offset + chunk.offset;
      const T* residual = context.has(kResidual) ? context.in(kResidual) + place : nullptr;
      context.kernels.batch_norm.normalize(
          context.in(kX) + place, residual, context.out(0) + place, chunk.block,
          {center + chunk.entry, scale + chunk.entry, shift + chunk.entry}, attributes.activation, T(0));
    });
  }
};

}  // namespace

PLEAT_OP(BatchNormRecomputeOp)

}  // namespace pleat
