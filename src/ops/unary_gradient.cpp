// dx[i] = dy[i] * f'(x[i]). At a kink the slope is PyTorch's.

#include "base/format.hpp"
#include "base/independent.hpp"
#include "ops/context.hpp"
#include "ops/unary_functions.hpp"

namespace pleat {
namespace {

using Kind = ops::UnaryKind;

// About how many elementary operations one result takes.
constexpr int64_t kCost = 8;

// Calls body with f', a function of x.
template <class T, class Body>
void with_slope(const ops::UnaryGradient& attributes, const Body& with) {
  const T a = static_cast<T>(attributes.alpha), b = static_cast<T>(attributes.beta);
  switch (attributes.kind) {
    case Kind::abs:
      return with([](T x) { return sign(x); });
    case Kind::neg:
      return with([](T) { return T(-1); });
    case Kind::reciprocal:
      return with([](T x) { return -1 / (x * x); });
    case Kind::sqrt:
      return with([](T x) { return 1 / (2 * std::sqrt(x)); });
    case Kind::exp:
      return with([](T x) { return std::exp(x); });
    case Kind::log:
      return with([](T x) { return 1 / x; });
    case Kind::erf:
      return with([](T x) { return 2 * std::numbers::inv_sqrtpi_v<T> * std::exp(-x * x); });
    case Kind::sin:
      return with([](T x) { return std::cos(x); });
    case Kind::cos:
      return with([](T x) { return -std::sin(x); });
    case Kind::clip:
      return with([=](T x) { return x < a || x > b ? T(0) : T(1); });
    case Kind::hard_sigmoid:
      return with([=](T x) { return a * x + b <= 0 || a * x + b >= 1 ? T(0) : a; });
    case Kind::elu:
      return with([=](T x) { return x < 0 ? a * std::exp(x) : T(1); });
    case Kind::celu:
      return with([=](T x) { return x < 0 ? std::exp(x / a) : T(1); });
    case Kind::selu:
      return with([=](T x) { return b * (x > 0 ? T(1) : a * std::exp(x)); });
    case Kind::softplus:
      return with([](T x) { return sigmoid(x); });
    case Kind::softsign:
      return with([](T x) { return 1 / ((1 + std::abs(x)) * (1 + std::abs(x))); });
    case Kind::mish:
      return with([](T x) {
        const T t = std::tanh(softplus(x));
        return t + x * sigmoid(x) * (1 - t * t);
      });
    case Kind::gelu:
      return with([](T x) { return normal_share(x) + x * normal_density(x); });
    case Kind::gelu_tanh:
      return with([](T x) {
        const T t = std::tanh(kSqrtTwoOverPi<T> * (x + T(0.044715) * x * x * x));
        const T inner = kSqrtTwoOverPi<T> * (1 + T(0.134145) * x * x);
        return (1 + t) / 2 + x / 2 * (1 - t * t) * inner;
      });
    case Kind::swish:
      return with([=](T x) {
        const T s = sigmoid(a * x);
        return s * (1 + a * x * (1 - s));
      });
    case Kind::thresholded_relu:
      return with([=](T x) { return x <= a ? T(0) : T(1); });
    default:  // steps, which are flat, and what is no number
      return with([](T) { return T(0); });
  }
}

struct UnaryGradientOp {
  using Attributes = ops::UnaryGradient;
  static constexpr std::string_view name = "unary_gradient";
  static constexpr bool may_be_inplace = true;

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    if (!(*in[0] == *in[1])) {
      fail("unary_gradient: x is ", in[0]->shape.str(), " and dy ", in[1]->shape.str());
    }
    return {{in[0]->dtype, in[0]->shape}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const T *x = context.in(0), *dy = context.in(1);
    T* dx = context.out(0);
    with_slope<T>(attributes, [&](const auto& slope) {
      parallel_for(context.in_shape(0).numel(), grain_for(kCost), [&](int64_t begin, int64_t end) {
        PLEAT_INDEPENDENT
        for (int64_t i = begin; i < end; ++i) dx[i] = dy[i] * slope(x[i]);
      });
    });
  }

  static double work(const Attributes&, const InputTypes& in) {
    return static_cast<double>(kCost * in[0]->shape.numel());
  }
};

}  // namespace

PLEAT_OP(UnaryGradientOp)

}  // namespace pleat
