// Views: the same elements under another shape. They never run; the plan gives the output the input's memory.

#include "base/format.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

struct FlattenOp {
  using Attributes = ops::Flatten;
  static constexpr std::string_view name = "flatten";
  static constexpr bool is_view = true;

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape& x = in[0]->shape;
    const int start =
        static_cast<int>(attributes.start_dim < 0 ? attributes.start_dim + x.rank() : attributes.start_dim);
    if (start < 0 || start >= x.rank()) {
      fail("flatten: start_dim ", attributes.start_dim, " needs an input of higher rank than ", x.str());
    }
    Shape y;
    for (int i = 0; i < start; ++i) y.push_back(x[i]);
    y.push_back(x.product(start, x.rank()));
    return {{in[0]->dtype, y}};
  }

  static void gradient(const Attributes&, GradientScope& scope) {
    scope.set_input_gradient(0,
                             scope.emit(ops::ReshapeLike{}, {scope.output_gradient(0), scope.input(0)})[0]);
  }
};

struct ReshapeLikeOp {
  using Attributes = ops::ReshapeLike;
  static constexpr std::string_view name = "reshape_like";
  static constexpr bool is_view = true;

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    const Shape &x = in[0]->shape, &like = in[1]->shape;
    if (x.numel() != like.numel())
      fail("reshape_like: cannot view ", x.str(), " as ", like.str(), ": the sizes differ");
    return {{in[0]->dtype, like}};
  }
};

}  // namespace

PLEAT_OP(FlattenOp)
PLEAT_OP(ReshapeLikeOp)

}  // namespace pleat
