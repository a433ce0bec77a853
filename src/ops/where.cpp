// y = condition ? a : b, elements that stand at one place after all three are broadcast.

#include "base/format.hpp"
#include "base/independent.hpp"
#include "ops/broadcast.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

struct WhereOp {
  using Attributes = ops::Where;
  static constexpr std::string_view name = "where";
  static constexpr bool may_be_inplace = true;
  static constexpr KnownRule known_rule = KnownRule::elementwise;

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    if (in[0]->dtype != DType::boolean) {
      fail("where: needs a condition of booleans, got ", name_of(in[0]->dtype));
    }
    if (in[1]->dtype != in[2]->dtype) {
      fail("where: needs two inputs of one type, got ", name_of(in[1]->dtype), " and ",
           name_of(in[2]->dtype));
    }
    const Shape chosen = broadcast_shapes(in[1]->shape, in[2]->shape, "where");
    return {{in[1]->dtype, broadcast_shapes(in[0]->shape, chosen, "where")}};
  }

  template <class T>
  static void run(const Attributes&, const Context<T>& context) {
    with_element_type<T>(context.out_dtype(0), [&]<class U>(U*) { choose<U>(context); });
  }

  template <class U, class T>
  static void choose(const Context<T>& context) {
    const BroadcastRows<3> rows(context.out_shape(0),
                                {&context.in_shape(0), &context.in_shape(1), &context.in_shape(2)});
    const int64_t c_step = rows.step(0), a_step = rows.step(1), b_step = rows.step(2);
    const bool* c = context.template in<bool>(0);
    const U *a = context.template in<U>(1), *b = context.template in<U>(2);
    U* y = context.template out<U>(0);
    parallel_for(context.out_shape(0).numel(), kTaskElements, [&](int64_t begin, int64_t end) {
      rows.for_each(begin, end, [&](int64_t at, int64_t n, const auto& from) {
        PLEAT_INDEPENDENT
        for (int64_t i = 0; i < n; ++i) {
          y[at + i] = c[from[0] + i * c_step] ? a[from[1] + i * a_step] : b[from[2] + i * b_step];
        }
      });
    });
  }

  static void gradient(const Attributes&, GradientScope& scope) {
    const ValueId dy = scope.output_gradient(0);
    for (int i : {1, 2}) {
      if (!scope.wants(i)) continue;
      const ValueId zero = scope.emit(ops::Fill{0}, {dy})[0];
      const ValueId grown =
          scope.emit(ops::Where{}, {scope.input(0), i == 1 ? dy : zero, i == 1 ? zero : dy})[0];
      scope.set_input_gradient(i, scope.emit(ops::SumTo{}, {grown, scope.input(i)})[0]);
    }
  }
};

}  // namespace

PLEAT_OP(WhereOp)

}  // namespace pleat
