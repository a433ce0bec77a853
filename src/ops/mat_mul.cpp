// y[..., i, j] = sum over l of a[..., i, l] b[..., l, j], leading dimensions broadcast, as numpy.matmul: an
// operand of rank 1 is a row before the product, a column behind it, and leaves no dimension in y.

#include "base/format.hpp"
#include "ops/batched_gemm.hpp"

namespace pleat {
namespace {

int batch_rank(const Shape& x) {
  return std::max(0, x.rank() - 2);
}
// The batch's i-th dimension from its end.
int64_t batch_size(const Shape& x, int i) {
  return i < batch_rank(x) ? x[batch_rank(x) - 1 - i] : 1;
}
int64_t rows_of_a(const Shape& a) {
  return a.rank() == 1 ? 1 : a[a.rank() - 2];
}
int64_t depth_of_b(const Shape& b) {
  return b[std::max(0, b.rank() - 2)];
}
int64_t columns_of_b(const Shape& b) {
  return b.rank() == 1 ? 1 : b[b.rank() - 1];
}

/// y = a b, da = dy b^T or db = a^T dy, where an operand was broadcast summed over what it was broadcast to.
enum class Product { y, da, db };

BatchedGemm product_of(Product product, const Shape& a, const Shape& b) {
  const int64_t m = rows_of_a(a), n = columns_of_b(b), k = depth_of_b(b);
  BatchedGemm gemm{m, n, k, {k, 1}, {n, 1}};
  if (product == Product::da) gemm = {m, k, n, {n, 1}, {1, n}};
  if (product == Product::db) gemm = {k, n, m, {1, k}, {n, 1}};
  int64_t a_step = m * k, b_step = k * n, y_step = m * n;
  for (int i = 0; i < std::max(batch_rank(a), batch_rank(b)); ++i) {
    const int64_t of_a = batch_size(a, i), of_b = batch_size(b, i), size = of_a == 1 ? of_b : of_a;
    const int64_t in_a = of_a == 1 ? 0 : a_step, in_b = of_b == 1 ? 0 : b_step;
    switch (product) {
      case Product::y:
        gemm.prepend({size, in_a, in_b, y_step, false});
        break;
      case Product::da:
        gemm.prepend({size, y_step, in_b, in_a, of_a == 1});
        break;
      case Product::db:
        gemm.prepend({size, in_a, y_step, in_b, of_b == 1});
        break;
    }
    a_step *= of_a;
    b_step *= of_b;
    y_step *= size;
  }
  gemm.simplify();
  return gemm;
}

double work_of(const BatchedGemm& gemm) {
  const int64_t products = gemm.count(false) * gemm.count(true);
  return static_cast<double>(products) * gemm_work(gemm.m, gemm.n, gemm.k);
}
int64_t multiply_adds_of(const BatchedGemm& gemm) {
  return gemm.count(false) * gemm.count(true) * gemm.m * gemm.n * gemm.k;
}

struct MatMulOp {
  using Attributes = ops::MatMul;
  static constexpr std::string_view name = "mat_mul";

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    const Shape &a = in[0]->shape, &b = in[1]->shape;
    for (const ValueType* type : in) {
      if (type->dtype != DType::f32 && type->dtype != DType::f64) {
        fail("mat_mul: needs operands of floating point, got ", name_of(type->dtype));
      }
    }
    const auto refuse = [&] {
      fail(
          "mat_mul: needs (..., m, k) and (..., k, n), or k alone, with leading dimensions that can be "
          "broadcast, got ",
          a.str(), " and ", b.str());
    };
    const auto agree = [](int64_t x, int64_t y) { return x == y || x == kDynamic || y == kDynamic; };
    const int rank = std::max(batch_rank(a), batch_rank(b));
    if (a.rank() == 0 || b.rank() == 0 || rank > kMostBatchDims || !agree(a[a.rank() - 1], depth_of_b(b))) {
      refuse();
    }
    Shape y;
    for (int i = rank - 1; i >= 0; --i) {
      const int64_t of_a = batch_size(a, i), of_b = batch_size(b, i);
      if (!agree(of_a, of_b) && of_a != 1 && of_b != 1) refuse();
      y.push_back(of_a == 1 || (of_a == kDynamic && of_b != 1) ? of_b : of_a);
    }
    if (a.rank() > 1) y.push_back(rows_of_a(a));
    if (b.rank() > 1) y.push_back(columns_of_b(b));
    return {{in[0]->dtype, y}};
  }

  static BatchedGemm gemm_of(const InputTypes& in) {
    return product_of(Product::y, in[0]->shape, in[1]->shape);
  }

  template <class T>
  static void run(const Attributes&, const Context<T>& context) {
    const BatchedGemm gemm = product_of(Product::y, context.in_shape(0), context.in_shape(1));
    run_batched_gemm<T>(context, gemm, context.in(0), context.in(1), context.packed(), context.out(0));
  }
  static Workspace workspace(const Attributes&, const InputTypes& in, DType compute) {
    return batched_gemm_workspace(gemm_of(in), compute);
  }
  static double work(const Attributes&, const InputTypes& in) { return work_of(gemm_of(in)); }
  static int64_t multiply_adds(const Attributes&, const InputTypes& in) {
    return multiply_adds_of(gemm_of(in));
  }

  static size_t packed_bytes(const Attributes&, const InputTypes& in, DType compute) {
    const BatchedGemm gemm = gemm_of(in);
    if (gemm.dims > 0) return 0;
    return static_cast<size_t>(gemm_packed_elements(gemm.n, gemm.k)) * size_of(compute);
  }
  template <class T>
  static void pack(const Attributes&, const Context<T>& context, T* packed) {
    const BatchedGemm gemm = product_of(Product::y, context.in_shape(0), context.in_shape(1));
    gemm_pack(context.kernels.gemm, gemm.n, gemm.k, {context.in(1), gemm.b[0], gemm.b[1]}, packed);
  }

  static void gradient(const Attributes&, GradientScope& scope) {
    const ValueId dy = scope.output_gradient(0);
    for (const bool second : {false, true}) {
      if (!scope.wants(second)) continue;
      const ops::MatMulGradient rule{second};
      scope.set_input_gradient(second, scope.emit(rule, {dy, scope.input(!second), scope.input(second)})[0]);
    }
  }
};

struct MatMulGradientOp {
  using Attributes = ops::MatMulGradient;
  static constexpr std::string_view name = "mat_mul_gradient";

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    return {{in[2]->dtype, in[2]->shape}};
  }

  static BatchedGemm gemm_of(const Attributes& attributes, const Shape& other, const Shape& own) {
    return attributes.second ? product_of(Product::db, other, own) : product_of(Product::da, own, other);
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const BatchedGemm gemm = gemm_of(attributes, context.in_shape(1), context.in_shape(2));
    const T *dy = context.in(0), *other = context.in(1);
    run_batched_gemm<T>(context, gemm, attributes.second ? other : dy, attributes.second ? dy : other,
                        nullptr, context.out(0));
  }
  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    return batched_gemm_workspace(gemm_of(attributes, in[1]->shape, in[2]->shape), compute);
  }
  static double work(const Attributes& attributes, const InputTypes& in) {
    return work_of(gemm_of(attributes, in[1]->shape, in[2]->shape));
  }
  static int64_t multiply_adds(const Attributes& attributes, const InputTypes& in) {
    return multiply_adds_of(gemm_of(attributes, in[1]->shape, in[2]->shape));
  }
};

}  // namespace

PLEAT_OP(MatMulOp)
PLEAT_OP(MatMulGradientOp)

}  // namespace pleat
