// Softmax over the last dimension, y = exp(x) / sum exp(x), and its logarithm.

#include "base/format.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

// exp and its sum: about that many elementary operations an element.
constexpr int64_t kWorkPerElement = 4;

struct SoftmaxOp {
  using Attributes = ops::Softmax;
  static constexpr std::string_view name = "softmax";
  static constexpr bool may_be_inplace = true;

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    if (in[0]->shape.rank() < 1) fail("softmax: needs an input of rank 1 or more, got a scalar");
    return {*in[0]};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Shape& shape = context.in_shape(0);
    const int64_t n = shape[shape.rank() - 1], rows = shape.product(0, shape.rank() - 1);
    const auto kernel =
        attributes.log ? context.kernels.softmax.log_softmax : context.kernels.softmax.softmax;
    const T* x = context.in(0);
    T* y = context.out(0);
    parallel_for(rows, grain_for(kWorkPerElement * n),
                 [&](int64_t begin, int64_t end) { kernel(end - begin, n, x + begin * n, y + begin * n); });
  }

  static double work(const Attributes&, const InputTypes& in) {
    return static_cast<double>(kWorkPerElement * in[0]->shape.numel());
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    scope.set_input_gradient(
        0, scope.emit(ops::SoftmaxGradient{attributes.log}, {scope.output(0), scope.output_gradient(0)})[0]);
  }
};

struct SoftmaxGradientOp {
  using Attributes = ops::SoftmaxGradient;
  static constexpr std::string_view name = "softmax_gradient";
  static constexpr bool may_be_inplace = true;

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    if (in[0]->shape != in[1]->shape) {
      fail("softmax_gradient: y is ", in[0]->shape.str(), " and dy ", in[1]->shape.str());
    }
    return {*in[0]};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Shape& shape = context.in_shape(0);
    const int64_t n = shape[shape.rank() - 1], rows = shape.product(0, shape.rank() - 1);
    const auto kernel = attributes.log ? context.kernels.softmax.log_softmax_gradient
                                       : context.kernels.softmax.softmax_gradient;
    const T *y = context.in(0), *dy = context.in(1);
    T* dx = context.out(0);
    parallel_for(rows, grain_for(kWorkPerElement * n), [&](int64_t begin, int64_t end) {
      kernel(end - begin, n, y + begin * n, dy + begin * n, dx + begin * n);
    });
  }

  static double work(const Attributes&, const InputTypes& in) {
    return static_cast<double>(kWorkPerElement * in[0]->shape.numel());
  }
};

}  // namespace

PLEAT_OP(SoftmaxOp)
PLEAT_OP(SoftmaxGradientOp)

}  // namespace pleat
