// Views: the same elements under another shape. They never run; the plan gives the output the input's memory.

#include <algorithm>

#include "base/format.hpp"
#include "ops/context.hpp"
#include "ops/known.hpp"
#include "ops/view.hpp"

namespace pleat {
namespace {

struct FlattenOp {
  using Attributes = ops::Flatten;
  static constexpr std::string_view name = "flatten";
  static constexpr bool is_view = true;
  static constexpr KnownRule known_rule = KnownRule::moves;

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape& x = in[0]->shape;
    const int start =
        static_cast<int>(attributes.start_dim < 0 ? attributes.start_dim + x.rank() : attributes.start_dim);
    if (start < 0 || start > x.rank() || (start == x.rank() && !attributes.to_matrix)) {
      fail("flatten: start_dim ", attributes.start_dim, " needs an input of higher rank than ", x.str());
    }
    Shape y;
    if (attributes.to_matrix) y.push_back(x.product(0, start));
    for (int i = 0; i < start && !attributes.to_matrix; ++i) y.push_back(x[i]);
    y.push_back(x.product(start, x.rank()));
    return {{in[0]->dtype, y}};
  }

  static void gradient(const Attributes&, GradientScope& scope) { view_back(scope); }
};

struct ReshapeOp {
  using Attributes = ops::Reshape;
  static constexpr std::string_view name = "reshape";
  static constexpr bool is_view = true;
  static constexpr KnownRule known_rule = KnownRule::moves;

  static std::vector<int> shape_inputs(const Attributes&) { return {1}; }

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape& x = in[0]->shape;
    const auto given = known_integers(in[1], "shape");
    if (!given) fail("reshape: needs a shape of known length, got ", in[1]->shape.str());
    Shape y;
    int rest = -1;
    std::vector<int> copied;
    for (size_t i = 0; i < given->size(); ++i) {
      const int64_t dim = (*given)[i];
      if (dim == -1 && rest < 0) {
        rest = static_cast<int>(i);
        y.push_back(1);
      } else if (dim == 0 && !attributes.allow_zero && static_cast<int>(i) < x.rank()) {
        copied.push_back(static_cast<int>(i));
        y.push_back(x[static_cast<int>(i)]);
      } else if (dim == kUnknown) {
        y.push_back(kDynamic);
      } else if (dim < 0 || (dim == 0 && !attributes.allow_zero)) {
        fail("reshape: ", dim, " in place ", i, " of the shape cannot be, for an input ", x.str());
      } else {
        y.push_back(dim);
      }
    }
    if (rest >= 0) y[rest] = left_over(x, y, rest, copied);
    if (x.is_static() && y.is_static() && x.numel() != y.numel()) {
      fail("reshape: cannot view ", x.str(), " as ", y.str(), ": the sizes differ");
    }
    return {{in[0]->dtype, y}};
  }

  // The size that -1 stands for: x's elements over those of the other dimensions.
  static int64_t left_over(const Shape& x, const Shape& y, int rest, const std::vector<int>& copied) {
    std::vector<int64_t> above(x.begin(), x.end()), below(y.begin(), y.end());
    // x's own dimensions cancel, dynamic ones too.
    for (int i : copied) above[static_cast<size_t>(i)] = below[static_cast<size_t>(i)] = 1;
    const int64_t all = Shape(above).numel(), taken = Shape(below).numel();
    if (all == kDynamic || taken == kDynamic) return kDynamic;
    if (taken == 0 || all % taken != 0) {
      fail("reshape: cannot view ", x.str(), " as ", y.str(), " with the ", rest, "th size left open");
    }
    return all / taken;
  }

  static void gradient(const Attributes&, GradientScope& scope) { view_back(scope); }
};

struct ReshapeLikeOp {
  using Attributes = ops::ReshapeLike;
  static constexpr std::string_view name = "reshape_like";
  static constexpr bool is_view = true;
  static constexpr KnownRule known_rule = KnownRule::moves;

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    const Shape &x = in[0]->shape, &like = in[1]->shape;
    if (x.numel() != like.numel())
      fail("reshape_like: cannot view ", x.str(), " as ", like.str(), ": the sizes differ");
    return {{in[0]->dtype, like}};
  }
};

}  // namespace

PLEAT_OP(FlattenOp)
PLEAT_OP(ReshapeOp)
PLEAT_OP(ReshapeLikeOp)

}  // namespace pleat
