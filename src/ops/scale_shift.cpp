// One multiplication and one addition a channel, along any dimension: what is left of a batch norm whose
// statistics are known and that no neighbour could absorb. y = act((x - center) * scale + shift + residual).

#include "base/format.hpp"
#include "ops/batch_norm_layout.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

enum Input { kX, kCenter, kScale, kShift, kResidual };

// x as (N, C, ...): what stands before `dim` joined, what stands behind it too.
BatchNormLayout layout_along(const Shape& x, int64_t dim) {
  const int d = static_cast<int>(dim);
  return {x.product(0, d), x[d], x.product(d + 1, x.rank())};
}

struct ScaleShiftOp {
  using Attributes = ops::ScaleShift;
  static constexpr std::string_view name = "scale_shift";
  static constexpr bool may_be_inplace = true;

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    static constexpr const char* kNames[] = {"", "center", "scale", "shift"};
    const Shape& x = in[kX]->shape;
    if (attributes.dim < 0 || attributes.dim >= x.rank()) {
      fail("scale_shift: dim ", attributes.dim, " is outside of ", x.str());
    }
    const int64_t channels = x[static_cast<int>(attributes.dim)];
    for (const int i : {kCenter, kScale, kShift}) {
      if (in[i] == nullptr || (in[i]->shape.rank() == 1 && channels == kDynamic)) continue;
      if (in[i]->shape != Shape{channels}) {
        fail("scale_shift: ", kNames[i], " has shape ", in[i]->shape.str(), ", the input ", x.str(),
             " needs ", Shape{channels}.str());
      }
    }
    if (in[kResidual] != nullptr && in[kResidual]->shape != x) {
      fail("scale_shift: the residual has shape ", in[kResidual]->shape.str(), ", the input ", x.str());
    }
    return {{in[kX]->dtype, x}};
  }

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    const BatchNormLayout layout = layout_along(in[kX]->shape, attributes.dim);
    return {static_cast<size_t>(3 * layout.entries()) * size_of(compute), 0};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const BatchNormLayout layout = layout_along(context.in_shape(kX), attributes.dim);
    T* center = context.workspace();
    T *scale = center + layout.entries(), *shift = scale + layout.entries();
    const auto finish = [&](int64_t c) {
      layout.for_each_entry(c, [&](int64_t e) {
        center[e] = context.has(kCenter) ? context.in(kCenter)[c] : T(0);
        scale[e] = context.in(kScale)[c];
        shift[e] = context.in(kShift)[c];
      });
    };
    const auto apply = [&](const BatchNormLayout::Chunk& chunk) {
      const T* residual = context.has(kResidual) ? context.in(kResidual) + chunk.offset : nullptr;
      context.kernels.batch_norm.normalize(context.in(kX) + chunk.offset, residual,
                                           context.out(0) + chunk.offset, chunk.block,
                                           {center + chunk.entry, scale + chunk.entry, shift + chunk.entry},
                                           attributes.activation, static_cast<T>(attributes.alpha));
    };
    layout.run([](const BatchNormLayout::Chunk&) {}, finish, apply);
  }
};

}  // namespace

PLEAT_OP(ScaleShiftOp)

}  // namespace pleat
