// Softmax over one dimension, y = exp(x) / sum exp(x), and its logarithm. The kernels take rows; another
// dimension than the last goes through blocks that are transposed.

#include <algorithm>

#include "ops/context.hpp"
#include "ops/dim.hpp"

namespace pleat {
namespace {

// exp and its sum: about that many elementary operations an element.
constexpr int64_t kWorkPerElement = 4;
// Columns that are transposed together: what a cache line has.
constexpr int64_t kColumns = 16;

double work_of(const InputTypes& in) {
  return static_cast<double>(kWorkPerElement * in[0]->shape.numel());
}

// Calls body(rows, from, to) with rows of `size` elements along the dimension, of up to two inputs; `to` may
// be the first of `from`.
template <class T, class Body>
void for_rows(const Context<T>& context, int64_t dim, int inputs, const Body& body) {
  const Shape& shape = context.in_shape(0);
  const DimView v(shape, dim_of(dim, shape, "softmax"));
  const T* x[] = {context.in(0), inputs > 1 ? context.in(1) : nullptr};
  T* y = context.out(0);
  if (v.inner == 1) {
    parallel_for(v.outer, grain_for(kWorkPerElement * v.size), [&](int64_t begin, int64_t end) {
      const int64_t at = begin * v.size;
      body(end - begin, v.size, x[0] + at, x[1] + (inputs > 1 ? at : 0), y + at);
    });
    return;
  }
  const int64_t blocks = (v.inner + kColumns - 1) / kColumns;
  parallel_for(
      v.outer * blocks, grain_for(kWorkPerElement * v.size * kColumns), [&](int64_t begin, int64_t end) {
        T* rows[] = {context.worker_workspace(), context.worker_workspace() + v.size * kColumns};
        for (int64_t item = begin; item < end; ++item) {
          const int64_t column = item % blocks * kColumns, columns = std::min(kColumns, v.inner - column);
          const int64_t at = item / blocks * v.size * v.inner + column;
          for (int k = 0; k < inputs; ++k) {
            for (int64_t i = 0; i < v.size; ++i) {
              for (int64_t j = 0; j < columns; ++j) rows[k][j * v.size + i] = x[k][at + i * v.inner + j];
            }
          }
          body(columns, v.size, rows[0], rows[1], rows[0]);
          for (int64_t i = 0; i < v.size; ++i) {
            for (int64_t j = 0; j < columns; ++j) y[at + i * v.inner + j] = rows[0][j * v.size + i];
          }
        }
      });
}

Workspace workspace_of(int64_t dim, const Shape& shape, int inputs, DType compute) {
  const DimView v(shape, dim_of(dim, shape, "softmax"));
  if (v.inner == 1) return {};
  return {.per_worker = static_cast<size_t>(inputs * v.size * kColumns) * size_of(compute)};
}

struct SoftmaxOp {
  using Attributes = ops::Softmax;
  static constexpr std::string_view name = "softmax";
  static constexpr bool may_be_inplace = true;

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    dim_of(attributes.dim, in[0]->shape, "softmax");
    return {*in[0]};
  }

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    return workspace_of(attributes.dim, in[0]->shape, 1, compute);
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const auto& kernels = context.kernels.softmax;
    const auto kernel = attributes.log ? kernels.log_softmax : kernels.softmax;
    for_rows(context, attributes.dim, 1,
             [&](int64_t rows, int64_t n, const T* x, const T*, T* y) { kernel(rows, n, x, y); });
  }

  static double work(const Attributes&, const InputTypes& in) { return work_of(in); }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    const ops::SoftmaxGradient rule{attributes.log, attributes.dim};
    scope.set_input_gradient(0, scope.emit(rule, {scope.output(0), scope.output_gradient(0)})[0]);
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

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    return workspace_of(attributes.dim, in[0]->shape, 2, compute);
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const auto& kernels = context.kernels.softmax;
    const auto kernel = attributes.log ? kernels.log_softmax_gradient : kernels.softmax_gradient;
    for_rows(context, attributes.dim, 2, kernel);
  }

  static double work(const Attributes&, const InputTypes& in) { return work_of(in); }
};

}  // namespace

PLEAT_OP(SoftmaxOp)
PLEAT_OP(SoftmaxGradientOp)

}  // namespace pleat
