// Of y = x W^T: dx = dy W, dW = dy^T x.

#include "base/format.hpp"
#include "ops/context.hpp"
#include "ops/gemm_driver.hpp"

namespace pleat {
namespace {

int64_t rows_of(const Shape& x) {
  return x.product(0, x.rank() - 1);
}
int64_t last_of(const Shape& x) {
  return x[x.rank() - 1];
}

// What both gradients share, given their gemm's sizes.
template <class Op>
struct GemmOp {
  static Workspace workspace(const auto&, const InputTypes& in, DType compute) {
    const auto [m, n, k] = Op::sizes(in[0]->shape, in[1]->shape);
    return gemm_workspace(m, n, k, compute);
  }
  static double work(const auto&, const InputTypes& in) {
    const auto [m, n, k] = Op::sizes(in[0]->shape, in[1]->shape);
    return gemm_work(m, n, k);
  }
  static int64_t multiply_adds(const auto&, const InputTypes& in) {
    const auto [m, n, k] = Op::sizes(in[0]->shape, in[1]->shape);
    return m * n * k;
  }
};

struct Sizes {
  int64_t m, n, k;
};

struct LinearInputGradientOp : GemmOp<LinearInputGradientOp> {
  using Attributes = ops::LinearInputGradient;
  static constexpr std::string_view name = "linear_input_gradient";

  static Sizes sizes(const Shape& weight, const Shape& dy) { return {rows_of(dy), weight[1], weight[0]}; }

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    const Shape &weight = in[0]->shape, &dy = in[1]->shape;
    if (weight.rank() != 2 || dy.rank() < 1 || last_of(dy) != weight[0]) {
      fail("linear_input_gradient: needs a weight (out, in) and dy (..., out), got ", weight.str(), " and ",
           dy.str());
    }
    Shape dx = dy;
    dx[dx.rank() - 1] = weight[1];
    return {{in[1]->dtype, dx}};
  }

  template <class T>
  static void run(const Attributes&, const Context<T>& context) {
    const auto [m, n, k] = sizes(context.in_shape(0), context.in_shape(1));
    const GemmProblem<T> problem = {.m = m,
                                    .n = n,
                                    .k = k,
                                    .a = {context.in(1), k, 1},
                                    .b = {context.in(0), n, 1},
                                    .c = context.out(0),
                                    .c_stride = n};
    gemm(context, problem, context.workspace());
  }
};

struct LinearWeightGradientOp : GemmOp<LinearWeightGradientOp> {
  using Attributes = ops::LinearWeightGradient;
  static constexpr std::string_view name = "linear_weight_gradient";

  static Sizes sizes(const Shape& x, const Shape& dy) { return {last_of(dy), last_of(x), rows_of(x)}; }

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    const Shape &x = in[0]->shape, &dy = in[1]->shape;
    if (x.rank() < 1 || x.rank() != dy.rank() || rows_of(x) != rows_of(dy)) {
      fail("linear_weight_gradient: needs x (..., in) and dy (..., out), got ", x.str(), " and ", dy.str());
    }
    return {{in[1]->dtype, {last_of(dy), last_of(x)}}};
  }

  template <class T>
  static void run(const Attributes&, const Context<T>& context) {
    const auto [m, n, k] = sizes(context.in_shape(0), context.in_shape(1));
    const GemmProblem<T> problem = {.m = m,
                                    .n = n,
                                    .k = k,
                                    .a = {context.in(1), 1, m},
                                    .b = {context.in(0), n, 1},
                                    .c = context.out(0),
                                    .c_stride = n};
    gemm(context, problem, context.workspace());
  }
};

}  // namespace

PLEAT_OP(LinearInputGradientOp)
PLEAT_OP(LinearWeightGradientOp)

}  // namespace pleat
