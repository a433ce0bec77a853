// y = act(x W^T + b + residual), over the last dimension of x.

#include "base/format.hpp"
#include "ops/context.hpp"
#include "ops/gemm_driver.hpp"

namespace pleat {
namespace {

// x (..., in) as rows (m, k = in), weight (n = out, k).
struct Sizes {
  int64_t m, n, k;
};

Sizes sizes_of(const Shape& x, const Shape& weight) {
  return {x.product(0, x.rank() - 1), weight[0], weight[1]};
}

template <class T>
Matrix<T> transposed_weight(const T* weight, const Sizes& s) {
  return {weight, 1, s.k};
}

struct LinearOp {
  using Attributes = ops::Linear;
  static constexpr std::string_view name = "linear";

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    const Shape &x = in[0]->shape, &weight = in[1]->shape;
    if (weight.rank() != 2) fail("linear: needs a weight (out, in), got ", weight.str());
    const int last = x.rank() - 1;
    if (last < 0 || (x[last] != weight[1] && x[last] != kDynamic)) {
      fail("linear: needs an input of ", weight[1], " features in its last dimension, got ", x.str());
    }
    if (in.size() > 2 && in[2] != nullptr && in[2]->shape != Shape{weight[0]}) {
      fail("linear: needs a bias ", Shape{weight[0]}.str(), ", got ", in[2]->shape.str());
    }
    Shape y = x;
    y[last] = weight[0];
    if (in.size() > 3 && in[3] != nullptr && in[3]->shape != y) {
      fail("linear: needs a residual ", y.str(), ", got ", in[3]->shape.str());
    }
    return {{in[0]->dtype, y}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Sizes s = sizes_of(context.in_shape(0), context.in_shape(1));
    const kernels::Epilogue<T> epilogue = {.column_bias = context.in(2),
                                           .residual = context.in(3),
                                           .residual_stride = s.n,
                                           .activation = attributes.epilogue.activation,
                                           .alpha = static_cast<T>(attributes.epilogue.alpha)};
    const GemmProblem<T> problem = {.m = s.m,
                                    .n = s.n,
                                    .k = s.k,
                                    .a = {context.in(0), s.k, 1},
                                    .b = transposed_weight(context.in(1), s),
                                    .c = context.out(0),
                                    .c_stride = s.n,
                                    .epilogue = &epilogue,
                                    .packed_b = context.packed()};
    gemm(context, problem, context.workspace());
  }

  static Workspace workspace(const Attributes&, const InputTypes& in, DType compute) {
    const Sizes s = sizes_of(in[0]->shape, in[1]->shape);
    return gemm_reads_b_in_place(s.m) ? Workspace{} : gemm_workspace(s.m, s.n, s.k, compute);
  }
  static double work(const Attributes&, const InputTypes& in) {
    const Sizes s = sizes_of(in[0]->shape, in[1]->shape);
    return gemm_work(s.m, s.n, s.k);
  }
  static int64_t multiply_adds(const Attributes&, const InputTypes& in) {
    const Sizes s = sizes_of(in[0]->shape, in[1]->shape);
    return s.m * s.n * s.k;
  }

  static size_t packed_bytes(const Attributes&, const InputTypes& in, DType compute) {
    const Sizes s = sizes_of(in[0]->shape, in[1]->shape);
    if (gemm_reads_b_in_place(s.m)) return 0;
    return static_cast<size_t>(gemm_packed_elements(s.n, s.k)) * size_of(compute);
  }
  template <class T>
  static void pack(const Attributes&, const Context<T>& context, T* packed) {
    const Sizes s = sizes_of(context.in_shape(0), context.in_shape(1));
    gemm_pack(context.kernels.gemm, s.n, s.k, transposed_weight(context.in(1), s), packed);
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    if (attributes.epilogue.activation != Activation::none || scope.input(3) != kAbsent) {
      fail("linear: a fused activation or residual has no gradient; fuse after differentiating");
    }
    const ValueId x = scope.input(0), weight = scope.input(1), dy = scope.output_gradient(0);
    const int last = scope.type(dy).shape.rank() - 1;
    if (scope.wants(0)) scope.set_input_gradient(0, scope.emit(ops::LinearInputGradient{}, {weight, dy})[0]);
    if (scope.wants(1)) scope.set_input_gradient(1, scope.emit(ops::LinearWeightGradient{}, {x, dy})[0]);
    if (scope.wants(2)) scope.set_input_gradient(2, scope.emit(ops::BiasGradient{last}, {dy})[0]);
  }
};

}  // namespace

PLEAT_OP(LinearOp)

}  // namespace pleat
