// y[..., i, ...] = x[..., i or 0, ...]: x with that shape, its dimensions of size 1 and those it lacks
// repeated. A size of 1 in the shape leaves x's own.

#include <algorithm>

#include "base/format.hpp"
#include "ops/context.hpp"
#include "ops/known.hpp"
#include "ops/strided_copy.hpp"

namespace pleat {
namespace {

struct ExpandOp {
  using Attributes = ops::Expand;
  static constexpr std::string_view name = "expand";
  static constexpr KnownRule known_rule = KnownRule::moves;

  static std::vector<int> shape_inputs(const Attributes&) { return {1}; }

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    const Shape& x = in[0]->shape;
    check_integers(in, 1, "shape");
    const KnownElements shape(in, 1);
    if (shape.size() == kDynamic) fail("expand: needs a shape of known length, got ", in[1]->shape.str());
    const int count = static_cast<int>(shape.size()), rank = std::max(x.rank(), count);
    Shape y;
    for (int d = 0; d < rank; ++d) {
      const int of_x = d - (rank - x.rank()), of_shape = d - (rank - count);
      const int64_t own = of_x < 0 ? 1 : x[of_x];
      if (of_shape < 0) {
        y.push_back(own);
      } else if (!shape.known(of_shape)) {
        y.push_back(own == 1 ? kDynamic : own);
      } else {
        const int64_t size = shape.integer(of_shape);
        if (size < 0 || (size != own && size != 1 && own != 1 && own != kDynamic)) {
          fail("expand: ", size, " in place ", of_shape, " of the shape does not fit an input ", x.str());
        }
        y.push_back(size == 1 ? own : size);
      }
    }
    check_rank(name, y);
    return {{in[0]->dtype, y}};
  }

  template <class T>
  static void run(const Attributes&, const Context<T>& context) {
    const Shape &x = context.in_shape(0), &y = context.out_shape(0);
    const auto of_x = strides_of(x), of_y = strides_of(y);
    StridedCopy copy;
    for (int d = 0; d < y.rank(); ++d) {
      const int own = d - (y.rank() - x.rank());
      const int64_t stride = own < 0 || x[own] == 1 ? 0 : of_x[static_cast<size_t>(own)];
      copy.add(y[d], stride, of_y[static_cast<size_t>(d)]);
    }
    copy.run(context.out_dtype(0), context.template in<void>(0), context.template out<void>(0));
  }

  static void gradient(const Attributes&, GradientScope& scope) {
    scope.set_input_gradient(0, scope.emit(ops::SumTo{}, {scope.output_gradient(0), scope.input(0)})[0]);
  }
};

}  // namespace

PLEAT_OP(ExpandOp)

}  // namespace pleat
