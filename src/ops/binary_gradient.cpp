// dy * (derivative of f(a, b) by a or by b), of y's shape: what was broadcast is summed by SumTo.

#include "ops/binary_functions.hpp"
#include "ops/broadcast.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

using Kind = ops::BinaryKind;

// About how many elementary operations one result takes.
constexpr int64_t kCost = 8;

// Where a and b are equal their minimum's, or maximum's, gradient is shared.
template <class T>
T share(bool chosen, bool equal, T dy) {
  return chosen ? dy : equal ? dy / 2 : T(0);
}

// The derivatives by a and b, times dy. At a = 0 those of a^b are PyTorch's: 0, not NaN, where a^b is smooth.
template <class T>
T by_a(Kind kind, T a, T b, T dy) {
  switch (kind) {
    case Kind::mul:
      return dy * b;
    case Kind::div:
      return dy / b;
    case Kind::pow:
      return b == 0 ? T(0) : dy * b * Power()(a, b - 1);
    case Kind::min:
      return share(a < b, a == b, dy);
    case Kind::max:
      return share(a > b, a == b, dy);
    case Kind::prelu:
      return a < 0 ? dy * b : dy;
    default:  // add, sub, mod, fmod
      return dy;
  }
}

template <class T>
T by_b(Kind kind, T a, T b, T dy) {
  switch (kind) {
    case Kind::sub:
      return -dy;
    case Kind::mul:
      return dy * a;
    case Kind::div:
      return -dy / b * (a / b);
    case Kind::pow:
      return a == 0 && b >= 0 ? T(0) : dy * Power()(a, b) * std::log(a);
    case Kind::min:
      return share(b < a, a == b, dy);
    case Kind::max:
      return share(b > a, a == b, dy);
    case Kind::prelu:
      return a < 0 ? dy * a : T(0);
    case Kind::mod:
      return -dy * std::floor(a / b);
    case Kind::fmod:
      return -dy * std::trunc(a / b);
    default:
      return dy;
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
    with_element_type<T>(context.in_dtype(1), [&]<class B>(B*) {  // an exponent may be a whole number
      const BroadcastRows<2> rows(context.out_shape(0), {&context.in_shape(0), &context.in_shape(1)});
      const int64_t a_step = rows.step(0), b_step = rows.step(1);
      const T *a = context.in(0), *dy = context.in(2);
      const B* b = context.template in<B>(1);
      T* dx = context.out(0);
      const auto derivative = attributes.operand == 0 ? by_a<T> : by_b<T>;
      parallel_for(context.out_shape(0).numel(), grain_for(kCost), [&](int64_t begin, int64_t end) {
        rows.for_each(begin, end, [&](int64_t at, int64_t n, const auto& from) {
          for (int64_t i = 0; i < n; ++i) {
            dx[at + i] = derivative(attributes.kind, a[from[0] + i * a_step],
                                    static_cast<T>(b[from[1] + i * b_step]), dy[at + i]);
          }
        });
      });
    });
  }

  static double work(const Attributes&, const InputTypes& in) {
    return static_cast<double>(kCost * in[2]->shape.numel());
  }
};

}  // namespace

PLEAT_OP(BinaryGradientOp)

}  // namespace pleat
