// y = `value` everywhere, of the shape that the input lists.

#include <algorithm>

#include "base/format.hpp"
#include "ops/context.hpp"
#include "ops/known.hpp"

namespace pleat {
namespace {

struct FillShapeOp {
  using Attributes = ops::FillShape;
  static constexpr std::string_view name = "fill_shape";

  static std::vector<int> shape_inputs(const Attributes&) { return {0}; }

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const auto shape = known_integers(in[0], "shape");
    if (!shape) fail("fill_shape: needs a shape of known length, got ", in[0]->shape.str());
    Shape y;
    for (int64_t size : *shape) {
      if (size < 0 && size != kUnknown) fail("fill_shape: a size must not be negative, got ", size);
      y.push_back(size == kUnknown ? kDynamic : size);
    }
    return {{attributes.dtype, y}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    with_element_type<T>(context.out_dtype(0), [&]<class U>(U*) {
      U* y = context.template out<U>(0);
      parallel_for(context.out_shape(0).numel(), kTaskElements, [&](int64_t begin, int64_t end) {
        std::fill(y + begin, y + end, static_cast<U>(attributes.value));
      });
    });
  }
};

}  // namespace

PLEAT_OP(FillShapeOp)

}  // namespace pleat
