// y[i] = start + i * delta, for i in [0, max(0, ceil((limit - start) / delta))).

#include <cmath>

#include "base/format.hpp"
#include "ops/binary_functions.hpp"
#include "ops/context.hpp"
#include "ops/known.hpp"

namespace pleat {
namespace {

int64_t whole_count(int64_t start, int64_t limit, int64_t delta) {
  if (delta > 0 ? limit <= start : limit >= start) return 0;
  // Unsigned: the distance between two i64 may be larger than an i64.
  const auto a = static_cast<uint64_t>(start), b = static_cast<uint64_t>(limit);
  const auto step = static_cast<uint64_t>(delta);
  return static_cast<int64_t>(delta > 0 ? (b - a - 1) / step + 1 : (a - b - 1) / (0 - step) + 1);
}

int64_t real_count(double start, double limit, double delta) {
  const double count = std::ceil((limit - start) / delta);
  if (!std::isfinite(count) || count > 0x1p62) {
    fail("range: from ", start, " to ", limit, " by ", delta, " has no end");
  }
  return count > 0 ? static_cast<int64_t>(count) : 0;
}

struct RangeOp {
  using Attributes = ops::Range;
  static constexpr std::string_view name = "range";

  static std::vector<int> shape_inputs(const Attributes&) { return {0, 1, 2}; }

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    const DType dtype = in[0]->dtype;
    for (const ValueType* type : in) {
      const bool one = type->shape.numel() == 1 || type->shape.numel() == kDynamic;
      if (type->dtype != dtype || dtype == DType::boolean || !one) {
        fail("range: needs three numbers of one type, got ", name_of(type->dtype), " ", type->shape.str(),
             " beside ", name_of(dtype));
      }
    }
    const KnownElements start(in[0]), limit(in[1]), delta(in[2]);
    if (!start.known(0) || !limit.known(0) || !delta.known(0)) return {{dtype, {kDynamic}}};
    if (delta.real(0) == 0) fail("range: delta must not be 0");
    const bool whole = dtype == DType::i64 || dtype == DType::i32;
    const int64_t count = whole ? whole_count(start.integer(0), limit.integer(0), delta.integer(0))
                                : real_count(start.real(0), limit.real(0), delta.real(0));
    return {{dtype, {count}}};
  }

  template <class T>
  static void run(const Attributes&, const Context<T>& context) {
    with_element_type<T>(context.out_dtype(0), [&]<class U>(U*) {
      if constexpr (!std::is_same_v<U, bool>) {
        const U start = *context.template in<U>(0), delta = *context.template in<U>(2);
        U* y = context.template out<U>(0);
        parallel_for(context.out_shape(0).numel(), grain_for(1), [&](int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) y[i] = Plus()(start, Times()(static_cast<U>(i), delta));
        });
      }
    });
  }
};

}  // namespace

PLEAT_OP(RangeOp)

}  // namespace pleat
