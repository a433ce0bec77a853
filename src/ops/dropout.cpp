#include <cmath>
#include <cstring>

#include "base/format.hpp"
#include "base/random.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

template <class T>
kernels::DropoutMask<T> dropout_mask(double p, int64_t seed) {
  return {static_cast<uint64_t>(seed), static_cast<uint32_t>(std::lround(p * 0x1p30)),
          static_cast<T>(p < 1 ? 1 / (1 - p) : 0)};
}

/// y = x * mask / (1 - p) while training, y = x otherwise. The mask depends on attributes.seed, the counter
/// and each element's place; the counter grows by one with each run.
struct DropoutOp {
  using Attributes = ops::Dropout;
  static constexpr std::string_view name = "dropout";
  static constexpr bool may_be_inplace = true;

  static bool drops(const Attributes& a) { return a.training && !a.frozen && a.p > 0; }

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    if (!(attributes.p >= 0 && attributes.p <= 1)) {
      fail("dropout: needs a probability p in [0, 1], got ", attributes.p);
    }
    if (drops(attributes) && (in.size() < 2 || in[1] == nullptr)) {
      fail("dropout: needs its counter while training");
    }
    return {*in[0], {DType::i64, {}}};
  }

  static std::vector<int> mutated(const Attributes& attributes) {
    return drops(attributes) ? std::vector<int>{1} : std::vector<int>{};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const T* x = context.in(0);
    T* y = context.out(0);
    const int64_t n = context.in_shape(0).numel();
    int64_t& seed = *context.template out<int64_t>(1);
    if (!drops(attributes)) {
      seed = 0;
      if (y == x) return;
      parallel_for(n, kTaskElements, [&](int64_t begin, int64_t end) {
        std::memcpy(y + begin, x + begin, static_cast<size_t>(end - begin) * sizeof(T));
      });
      return;
    }
    int64_t& counter = *context.template mutated<int64_t>(1);
    seed = static_cast<int64_t>(Random::mix(attributes.seed, static_cast<uint64_t>(counter)));
    ++counter;
    const kernels::DropoutMask<T> mask = dropout_mask<T>(attributes.p, seed);
    parallel_for(n, grain_for(1), [&](int64_t begin, int64_t end) {
      context.kernels.elementwise.dropout(mask, begin, end - begin, x + begin, y + begin);
    });
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    const ValueId dy = scope.output_gradient(0);
    scope.set_input_gradient(
        0, drops(attributes) ? scope.emit(ops::DropoutGradient{attributes.p}, {dy, scope.output(1)})[0] : dy);
  }
};

struct DropoutGradientOp {
  using Attributes = ops::DropoutGradient;
  static constexpr std::string_view name = "dropout_gradient";
  static constexpr bool may_be_inplace = true;

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) { return {*in[0]}; }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const T* dy = context.in(0);
    T* dx = context.out(0);
    const kernels::DropoutMask<T> mask = dropout_mask<T>(attributes.p, *context.template in<int64_t>(1));
    parallel_for(context.in_shape(0).numel(), grain_for(1), [&](int64_t begin, int64_t end) {
      context.kernels.elementwise.dropout(mask, begin, end - begin, dy + begin, dx + begin);
    });
  }
};

}  // namespace

PLEAT_OP(DropoutOp)
PLEAT_OP(DropoutGradientOp)

}  // namespace pleat
