// Views without, or with more, dimensions of size 1.

#include <algorithm>

#include "base/format.hpp"
#include "ops/context.hpp"
#include "ops/known.hpp"
#include "ops/view.hpp"

namespace pleat {
namespace {

// The shape where it is known only how many dimensions there are.
Shape dynamic_shape(int64_t rank) {
  return Shape(std::vector<int64_t>(static_cast<size_t>(std::max<int64_t>(rank, 0)), kDynamic));
}

struct SqueezeOp {
  using Attributes = ops::Squeeze;
  static constexpr std::string_view name = "squeeze";
  static constexpr bool is_view = true;
  static constexpr KnownRule known_rule = KnownRule::moves;

  static std::vector<int> shape_inputs(const Attributes&) { return {1}; }

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    const Shape& x = in[0]->shape;
    if (in.size() < 2 || in[1] == nullptr) return {{in[0]->dtype, without_ones(x)}};
    const auto axes = known_axes(in[1], x.rank(), "squeeze");
    if (!axes) {
      const int64_t count = KnownElements(in[1]).size();
      if (count == kDynamic) fail("squeeze: needs axes of a known number, got ", in[1]->shape.str());
      return {{in[0]->dtype, dynamic_shape(x.rank() - count)}};
    }
    Shape y;
    for (int d = 0; d < x.rank(); ++d) {
      if (std::count(axes->begin(), axes->end(), d) == 0) {
        y.push_back(x[d]);
      } else if (x[d] != 1 && x[d] != kDynamic) {
        fail("squeeze: dim ", d, " of ", x.str(), " is not of size 1");
      }
    }
    return {{in[0]->dtype, y}};
  }

  static Shape without_ones(const Shape& x) {
    Shape y;
    for (int64_t size : x) {
      if (size == kDynamic) {
        fail("squeeze: without axes it needs sizes that are known when the graph is built, got ", x.str());
      }
      if (size != 1) y.push_back(size);
    }
    return y;
  }

  static void gradient(const Attributes&, GradientScope& scope) { view_back(scope); }
};

struct UnsqueezeOp {
  using Attributes = ops::Unsqueeze;
  static constexpr std::string_view name = "unsqueeze";
  static constexpr bool is_view = true;
  static constexpr KnownRule known_rule = KnownRule::moves;

  static std::vector<int> shape_inputs(const Attributes&) { return {1}; }

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    const Shape& x = in[0]->shape;
    check_integers(in, 1, "axes");
    const int64_t count = KnownElements(in, 1).size();
    if (count == kDynamic) fail("unsqueeze: needs axes of a known number, got ", in[1]->shape.str());
    const int rank = x.rank() + static_cast<int>(count);
    const auto axes = known_axes(in[1], rank, "unsqueeze");
    if (!axes) return {{in[0]->dtype, dynamic_shape(rank)}};
    Shape y;
    for (int d = 0, next = 0; d < rank; ++d) {
      y.push_back(std::count(axes->begin(), axes->end(), d) > 0 ? 1 : x[next++]);
    }
    return {{in[0]->dtype, y}};
  }

  static void gradient(const Attributes&, GradientScope& scope) { view_back(scope); }
};

}  // namespace

PLEAT_OP(SqueezeOp)
PLEAT_OP(UnsqueezeOp)

}  // namespace pleat
