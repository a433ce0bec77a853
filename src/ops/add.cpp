#include "base/format.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

struct AddOp {
  using Attributes = ops::Add;
  static constexpr std::string_view name = "add";
  static constexpr bool may_be_inplace = true;

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    const Shape &a = in[0]->shape, &b = in[1]->shape;
    bool same = a.rank() == b.rank();
    Shape y = a;
    for (int i = 0; same && i < a.rank(); ++i) {
      if (a[i] == kDynamic) y[i] = b[i];
      same = a[i] == b[i] || a[i] == kDynamic || b[i] == kDynamic;
    }
    if (!same) fail("add: needs two inputs of one shape, got ", a.str(), " and ", b.str());
    return {{in[0]->dtype, y}};
  }

  template <class T>
  static void run(const Attributes&, const Context<T>& context) {
    const T *a = context.in(0), *b = context.in(1);
    T* y = context.out(0);
    parallel_for(context.in_shape(0).numel(), kTaskElements, [&](int64_t begin, int64_t end) {
      context.kernels.elementwise.add(end - begin, a + begin, b + begin, y + begin);
    });
  }

  static void gradient(const Attributes&, GradientScope& scope) {
    for (int i = 0; i < 2; ++i) {
      if (scope.wants(i)) scope.set_input_gradient(i, scope.output_gradient(0));
    }
  }
};

}  // namespace

PLEAT_OP(AddOp)

}  // namespace pleat
