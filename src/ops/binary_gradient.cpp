// dy * (derivative of f(a, b) by a, or by b), of y's shape: what was broadcast is summed by SumTo.

#include "base/independent.hpp"
#include "ops/binary_functions.hpp"
#include "ops/broadcast.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

using Kind = ops::BinaryKind;

// About how many elementary operations one result takes.
int64_t cost_of(Kind kind) {
  return kind == Kind::pow ? 32 : 4;
}

// Where a and b are equal their minimum's, or maximum's, gradient is shared.
template <class T>
T share(bool chosen, bool equal, T dy) {
  return chosen ? dy : equal ? dy / 2 : T(0);
}

// dx[i] = f(a, b, dy), where b's type is B.
template <class B, class T, class F>
void apply(const Context<T>& context, int64_t cost, const F& f) {
  const BroadcastRows<2> rows(context.out_shape(0), {&context.in_shape(0), &context.in_shape(1)});
  const int64_t a_step = rows.step(0), b_step = rows.step(1);
  const T *a = context.in(0), *dy = context.in(2);
  const B* b = context.template in<B>(1);
  T* dx = context.out(0);
  parallel_for(context.out_shape(0).numel(), grain_for(cost), [&](int64_t begin, int64_t end) {
    rows.for_each(begin, end, [&](int64_t at, int64_t n, const auto& from) {
      PLEAT_INDEPENDENT
      for (int64_t i = 0; i < n; ++i) {
        dx[at + i] = f(a[from[0] + i * a_step], static_cast<T>(b[from[1] + i * b_step]), dy[at + i]);
      }
    });
  });
}

// At a = 0 the derivatives of a^b are PyTorch's: 0, not NaN, where a^b is smooth.
template <class B, class T>
void power_gradient(int operand, const Context<T>& context) {
  if (operand == 0) {
    apply<B>(context, cost_of(Kind::pow),
             [](T a, T b, T dy) { return b == 0 ? T(0) : dy * b * Power()(a, b - 1); });
  } else {
    apply<B>(context, cost_of(Kind::pow),
             [](T a, T b, T dy) { return a == 0 && b >= 0 ? T(0) : dy * Power()(a, b) * std::log(a); });
  }
}

struct BinaryGradientOp {
  using Attributes = ops::BinaryGradient;
  static constexpr std::string_view name = "binary_gradient";
  static constexpr bool may_be_inplace = true;

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    return {{in[2]->dtype, in[2]->shape}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const bool by_a = attributes.operand == 0;
    const auto with = [&](const auto& f) { apply<T>(context, cost_of(attributes.kind), f); };
    const auto with_one = [&](const auto& of_a, const auto& of_b) { by_a ? with(of_a) : with(of_b); };
    switch (attributes.kind) {
      case Kind::mul:
        return with_one([](T, T b, T dy) { return dy * b; }, [](T a, T, T dy) { return dy * a; });
      case Kind::div:
        return with_one([](T, T b, T dy) { return dy / b; },
                        [](T a, T b, T dy) { return -dy / b * (a / b); });
      case Kind::pow:  // a power may be a whole number
        return with_element_type<T>(context.in_dtype(1),
                                    [&]<class B>(B*) { power_gradient<B>(attributes.operand, context); });
      case Kind::min:
        return with_one([](T a, T b, T dy) { return share(a < b, a == b, dy); },
                        [](T a, T b, T dy) { return share(b < a, a == b, dy); });
      case Kind::max:
        return with_one([](T a, T b, T dy) { return share(a > b, a == b, dy); },
                        [](T a, T b, T dy) { return share(b > a, a == b, dy); });
      case Kind::prelu:
        return with_one([](T a, T b, T dy) { return a < 0 ? dy * b : dy; },
                        [](T a, T, T dy) { return a < 0 ? dy * a : T(0); });
      case Kind::mod:
        return with_one([](T, T, T dy) { return dy; },
                        [](T a, T b, T dy) { return -dy * std::floor(a / b); });
      case Kind::fmod:
        return with_one([](T, T, T dy) { return dy; },
                        [](T a, T b, T dy) { return -dy * std::trunc(a / b); });
      case Kind::sub:
        return with_one([](T, T, T dy) { return dy; }, [](T, T, T dy) { return -dy; });
      default:  // add
        return with([](T, T, T dy) { return dy; });
    }
  }

  static double work(const Attributes& attributes, const InputTypes& in) {
    return static_cast<double>(cost_of(attributes.kind) * in[2]->shape.numel());
  }
};

}  // namespace

PLEAT_OP(BinaryGradientOp)

}  // namespace pleat
