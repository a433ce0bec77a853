// y[i_order(0), i_order(1), ...] = x[i_0, i_1, ...]: y's dimension d is x's dimension order[d].

#include <algorithm>
#include <numeric>

#include "base/format.hpp"
#include "ops/context.hpp"
#include "ops/strided_copy.hpp"

namespace pleat {
namespace {

struct TransposeOp {
  using Attributes = ops::Transpose;
  static constexpr std::string_view name = "transpose";
  static constexpr KnownRule known_rule = KnownRule::moves;

  // x's dimension in place d of y; without an order they are reversed.
  static int source(const Attributes& attributes, int rank, int d) {
    return attributes.order.empty() ? rank - 1 - d
                                    : static_cast<int>(attributes.order[static_cast<size_t>(d)]);
  }

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape& x = in[0]->shape;
    check_rank(name, x);
    std::vector<int64_t> sorted = attributes.order;
    std::sort(sorted.begin(), sorted.end());
    std::vector<int64_t> all(static_cast<size_t>(x.rank()));
    std::iota(all.begin(), all.end(), 0);
    if (!sorted.empty() && sorted != all) {
      fail("transpose: order ", Shape(attributes.order).str(), " does not name each dimension of ", x.str(),
           " once");
    }
    Shape y = x;
    for (int d = 0; d < x.rank(); ++d) y[d] = x[source(attributes, x.rank(), d)];
    return {{in[0]->dtype, y}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Shape& y = context.out_shape(0);
    const auto from = strides_of(context.in_shape(0)), to = strides_of(y);
    StridedCopy copy;
    for (int d = 0; d < y.rank(); ++d) {
      const auto at = static_cast<size_t>(source(attributes, y.rank(), d));
      copy.add(y[d], from[at], to[static_cast<size_t>(d)]);
    }
    copy.run(context.out_dtype(0), context.template in<void>(0), context.template out<void>(0));
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    ops::Transpose back;
    back.order.resize(attributes.order.size());
    for (size_t d = 0; d < back.order.size(); ++d) {
      back.order[static_cast<size_t>(attributes.order[d])] = static_cast<int64_t>(d);
    }
    scope.set_input_gradient(0, scope.emit(back, {scope.output_gradient(0)})[0]);
  }
};

}  // namespace

PLEAT_OP(TransposeOp)

}  // namespace pleat
