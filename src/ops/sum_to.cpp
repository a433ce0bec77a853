// y of like's shape, which was broadcast to x's: the sums of x over what was repeated. How the gradient of a
// broadcast operand comes back to it.

#include <cstring>

#include "base/format.hpp"
#include "ops/context.hpp"
#include "ops/reduce_layout.hpp"
#include "ops/reducers.hpp"

namespace pleat {
namespace {

AxisSet repeated(const Shape& x, const Shape& like) {
  AxisSet axes;
  for (int i = 0; i < x.rank(); ++i) {
    const int d = i - (x.rank() - like.rank());
    axes.set(static_cast<size_t>(i), d < 0 || (like[d] == 1 && x[i] != 1));
  }
  return axes;
}

struct SumToOp {
  using Attributes = ops::SumTo;
  static constexpr std::string_view name = "sum_to";
  static constexpr bool may_be_inplace = true;

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    const Shape &x = in[0]->shape, &like = in[1]->shape;
    const Shape both = broadcast_shapes(x, like, "sum_to");
    if (both.rank() != x.rank() || (x.is_static() && both != x)) {
      fail("sum_to: ", like.str(), " cannot have been broadcast to ", x.str());
    }
    return {{in[0]->dtype, like}};
  }

  static Workspace workspace(const Attributes&, const InputTypes& in, DType) {
    const ReduceLayout layout(in[0]->shape, repeated(in[0]->shape, in[1]->shape));
    return {.shared = static_cast<size_t>(layout.states()) * sizeof(double)};
  }

  template <class T>
  static void run(const Attributes&, const Context<T>& context) {
    const Shape& x = context.in_shape(0);
    const ReduceLayout layout(x, repeated(x, context.in_shape(1)));
    const T* from = context.in(0);
    T* y = context.out(0);
    if (layout.outputs() == x.numel()) {
      parallel_for(x.numel(), grain_for(1), [&](int64_t begin, int64_t end) {
        if (y != from) std::memcpy(y + begin, from + begin, static_cast<size_t>(end - begin) * sizeof(T));
      });
      return;
    }
    double* sums = context.template workspace<double>();
    layout.reduce(SumOf<T, Same>(), from, sums);
    for (int64_t i = 0; i < layout.outputs(); ++i) y[i] = static_cast<T>(sums[i]);
  }
};

}  // namespace

PLEAT_OP(SumToOp)

}  // namespace pleat
