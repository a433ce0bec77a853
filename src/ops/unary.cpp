// y[i] = f(x[i]).

#include <limits>

#include "base/format.hpp"
#include "base/independent.hpp"
#include "ops/context.hpp"
#include "ops/saturate.hpp"
#include "ops/unary_functions.hpp"

namespace pleat {
namespace {

using Kind = ops::UnaryKind;

// About how many elementary operations one result takes.
struct KindInfo {
  const char* name;
  int64_t cost;
};
constexpr KindInfo kKinds[] = {{"abs", 1},  {"ceil", 1},         {"floor", 1},      {"round", 1},
                               {"sign", 1}, {"neg", 1},          {"reciprocal", 1}, {"sqrt", 1},
                               {"exp", 8},  {"log", 8},          {"erf", 8},        {"sin", 8},
                               {"cos", 8},  {"not", 1},          {"is_nan", 1},     {"is_inf", 1},
                               {"clip", 1}, {"hard_sigmoid", 1}, {"elu", 8},        {"celu", 8},
                               {"selu", 8}, {"softplus", 8},     {"softsign", 1},   {"mish", 16},
                               {"gelu", 8}, {"gelu_tanh", 8},    {"swish", 8},      {"thresholded_relu", 1}};

const KindInfo& info(Kind kind) {
  return kKinds[static_cast<size_t>(kind)];
}
bool gives_boolean(Kind kind) {
  return kind == Kind::logical_not || kind == Kind::is_nan || kind == Kind::is_inf;
}
bool takes_integers(Kind kind) {
  return kind == Kind::abs || kind == Kind::sign || kind == Kind::neg || kind == Kind::clip;
}
template <class U, class Y = U, class T, class F>
void apply(const Context<T>& context, int64_t cost, const F& f) {
  const U* x = context.template in<U>(0);
  Y* y = context.template out<Y>(0);
  parallel_for(context.in_shape(0).numel(), grain_for(cost), [&](int64_t begin, int64_t end) {
    PLEAT_INDEPENDENT
    for (int64_t i = begin; i < end; ++i) y[i] = f(x[i]);
  });
}

template <class T>
void of_real(const ops::Unary& attributes, const Context<T>& context) {
  const T a = static_cast<T>(attributes.alpha), b = static_cast<T>(attributes.beta);
  const auto with = [&](const auto& f) { apply<T>(context, info(attributes.kind).cost, f); };
  switch (attributes.kind) {
    case Kind::abs:
      return with([](T x) { return std::abs(x); });
    case Kind::ceil:
      return with([](T x) { return std::ceil(x); });
    case Kind::floor:
      return with([](T x) { return std::floor(x); });
    case Kind::round:
      return with([](T x) { return std::nearbyint(x); });
    case Kind::sign:
      return with([](T x) { return sign(x); });
    case Kind::neg:
      return with([](T x) { return -x; });
    case Kind::reciprocal:
      return with([](T x) { return 1 / x; });
    case Kind::sqrt:
      return with([](T x) { return std::sqrt(x); });
    case Kind::exp:
      return with([](T x) { return std::exp(x); });
    case Kind::log:
      return with([](T x) { return std::log(x); });
    case Kind::erf:
      return with([](T x) { return std::erf(x); });
    case Kind::sin:
      return with([](T x) { return std::sin(x); });
    case Kind::cos:
      return with([](T x) { return std::cos(x); });
    case Kind::clip:
      return with([=](T x) {
        const T above = x < a ? a : x;
        return above > b ? b : above;
      });
    case Kind::hard_sigmoid:
      return with([=](T x) {
        const T y = a * x + b, below = y > 1 ? T(1) : y;
        return below < 0 ? T(0) : below;
      });
    case Kind::elu:
      return with([=](T x) { return x < 0 ? a * std::expm1(x) : x; });
    case Kind::celu:
      return with([=](T x) { return x < 0 ? a * std::expm1(x / a) : x; });
    case Kind::selu:
      return with([=](T x) { return b * (x > 0 ? x : a * std::expm1(x)); });
    case Kind::softplus:
      return with([](T x) { return softplus(x); });
    case Kind::softsign:
      return with([](T x) { return x / (1 + std::abs(x)); });
    case Kind::mish:
      return with([](T x) { return x * std::tanh(softplus(x)); });
    case Kind::gelu:
      return with([](T x) { return x * normal_share(x); });
    case Kind::gelu_tanh:
      return with(
          [](T x) { return x / 2 * (1 + std::tanh(kSqrtTwoOverPi<T> * (x + T(0.044715) * x * x * x))); });
    case Kind::swish:
      return with([=](T x) { return x * sigmoid(a * x); });
    case Kind::thresholded_relu:
      return with([=](T x) { return x <= a ? T(0) : x; });
    case Kind::is_nan:
      return apply<T, bool>(context, 1, [](T x) { return std::isnan(x); });
    case Kind::is_inf:
      return apply<T, bool>(context, 1, [](T x) { return std::isinf(x); });
    case Kind::logical_not:
      return;
  }
}

// Whole numbers wrap around: the least number is its own opposite.
template <class U, class T>
void of_whole(const ops::Unary& attributes, const Context<T>& context) {
  using Bits = std::make_unsigned_t<U>;
  const U low = saturated<U>(attributes.alpha), high = saturated<U>(attributes.beta);
  const auto opposite = [](U x) { return static_cast<U>(Bits(0) - static_cast<Bits>(x)); };
  switch (attributes.kind) {
    case Kind::neg:
      return apply<U>(context, 1, opposite);
    case Kind::abs:
      return apply<U>(context, 1, [&](U x) { return x < 0 ? opposite(x) : x; });
    case Kind::sign:
      return apply<U>(context, 1, [](U x) { return static_cast<U>((x > 0) - (x < 0)); });
    default:  // clip
      return apply<U>(context, 1, [=](U x) {
        const U above = x < low ? low : x;
        return above > high ? high : above;
      });
  }
}

struct UnaryOp {
  using Attributes = ops::Unary;
  static constexpr std::string_view name = "unary";
  static constexpr bool may_be_inplace = true;
  static constexpr KnownRule known_rule = KnownRule::elementwise;

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const DType x = in[0]->dtype;
    const bool is_float = x == DType::f32 || x == DType::f64, is_whole = x == DType::i64 || x == DType::i32;
    const bool fits = attributes.kind == Kind::logical_not
                          ? x == DType::boolean
                          : is_float || (is_whole && takes_integers(attributes.kind));
    if (!fits) fail(info(attributes.kind).name, ": cannot be of ", name_of(x));
    return {{gives_boolean(attributes.kind) ? DType::boolean : x, in[0]->shape}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    with_element_type<T>(context.in_dtype(0), [&]<class U>(U*) {
      if constexpr (std::is_same_v<U, bool>) {
        apply<bool>(context, 1, [](bool x) { return !x; });
      } else if constexpr (std::is_same_v<U, T>) {
        of_real(attributes, context);
      } else {
        of_whole<U>(attributes, context);
      }
    });
  }

  static double work(const Attributes& attributes, const InputTypes& in) {
    return static_cast<double>(info(attributes.kind).cost * in[0]->shape.numel());
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    switch (attributes.kind) {
      case Kind::ceil:
      case Kind::floor:
      case Kind::round:
      case Kind::sign:
        return scope.set_input_gradient(0, scope.emit(ops::Fill{0}, {scope.input(0)})[0]);
      case Kind::neg:
        return scope.set_input_gradient(0, scope.emit(attributes, {scope.output_gradient(0)})[0]);
      default:
        const ops::UnaryGradient rule{attributes.kind, attributes.alpha, attributes.beta};
        scope.set_input_gradient(0, scope.emit(rule, {scope.input(0), scope.output_gradient(0)})[0]);
    }
  }
};

}  // namespace

PLEAT_OP(UnaryOp)

}  // namespace pleat
