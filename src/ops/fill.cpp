#include "base/format.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

struct FillOp {
  using Attributes = ops::Fill;
  static constexpr std::string_view name = "fill";
  static constexpr bool may_be_inplace = true;

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    if (in[0]->dtype == DType::i64) fail("fill: needs an input of floating point, got i64");
    return {*in[0]};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    T* y = context.out(0);
    parallel_for(context.out_shape(0).numel(), kTaskElements, [&](int64_t begin, int64_t end) {
      context.kernels.elementwise.fill(end - begin, static_cast<T>(attributes.value), y + begin);
    });
  }
};

}  // namespace

PLEAT_OP(FillOp)

}  // namespace pleat
