// y[i] = x[i] in another type. Floats are truncated to whole numbers: the nearest there is for one that does
// not fit, 0 for NaN; wider whole numbers lose their upper bits. True is 1, and all but 0 is true.

#include <type_traits>

#include "base/format.hpp"
#include "ops/context.hpp"
#include "ops/saturate.hpp"

namespace pleat {
namespace {

bool is_float(DType type) {
  return type == DType::f32 || type == DType::f64;
}

template <class To, class From>
To converted(From x) {
  if constexpr (std::is_same_v<To, bool>) {
    return x != 0;
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    return saturated<To>(x);
  } else {
    return static_cast<To>(x);
  }
}

struct CastOp {
  using Attributes = ops::Cast;
  static constexpr std::string_view name = "cast";
  static constexpr bool may_be_inplace = true;
  static constexpr KnownRule known_rule = KnownRule::elementwise;

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const DType from = in[0]->dtype, to = attributes.to;
    // One network has floats of one type: f32, or f64 where it was made so as a whole.
    if (from == DType::f32 && to == DType::f64) {
      fail("cast: to f64 in a network that computes in f32");
    }
    return {{from == DType::f64 && to == DType::f32 ? DType::f64 : to, in[0]->shape}};
  }

  template <class T>
  static void run(const Attributes&, const Context<T>& context) {
    with_element_type<T>(context.in_dtype(0), [&]<class From>(From*) {
      with_element_type<T>(context.out_dtype(0), [&]<class To>(To*) { convert<From, To>(context); });
    });
  }

  template <class From, class To, class T>
  static void convert(const Context<T>& context) {
    const From* x = context.template in<From>(0);
    To* y = context.template out<To>(0);
    if (static_cast<const void*>(x) == y) return;
    parallel_for(context.in_shape(0).numel(), kTaskElements, [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) y[i] = converted<To>(x[i]);
    });
  }

  static void gradient(const Attributes&, GradientScope& scope) {
    if (is_float(scope.type(scope.input(0)).dtype)) scope.set_input_gradient(0, scope.output_gradient(0));
  }
};

}  // namespace

PLEAT_OP(CastOp)

}  // namespace pleat
