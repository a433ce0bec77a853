// Mean squared error: loss = 1/n sum_i (y[i] - target[i])^2 over all n elements; dy[i] = 2 dloss / n (y[i] -
// target[i]), and the opposite for the target.

#include "base/format.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

// Elements whose squares are summed together; a multiple of every vector's length.
constexpr int64_t kChunk = 8192;

int64_t chunk_count(int64_t n) {
  return (n + kChunk - 1) / kChunk;
}

void check(const InputTypes& in) {
  const Shape &y = in[0]->shape, &target = in[1]->shape;
  bool same = y.rank() == target.rank() && in[0]->dtype == in[1]->dtype;
  for (int i = 0; same && i < y.rank(); ++i) {
    same = y[i] == target[i] || y[i] == kDynamic || target[i] == kDynamic;
  }
  if (!same) {
    fail("mean_squared_error: needs a target of the output's shape and type, got output ", y.str(), " ",
         name_of(in[0]->dtype), " and target ", target.str(), " ", name_of(in[1]->dtype));
  }
}

struct MeanSquaredErrorOp {
  using Attributes = ops::MeanSquaredError;
  static constexpr std::string_view name = "mean_squared_error";

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    check(in);
    return {{in[0]->dtype, Shape{}}};
  }

  static Workspace workspace(const Attributes&, const InputTypes& in, DType) {
    return {.shared = static_cast<size_t>(chunk_count(in[0]->shape.numel())) * sizeof(double)};
  }

  template <class T>
  static void run(const Attributes&, const Context<T>& context) {
    const int64_t n = context.in_shape(0).numel(), chunks = chunk_count(n);
    const T *y = context.in(0), *target = context.in(1);
    double* sums = context.template workspace<double>();
    parallel_for(chunks, grain_for(kChunk), [&](int64_t first, int64_t last) {
      for (int64_t c = first; c < last; ++c) {
        const int64_t begin = c * kChunk, size = begin + kChunk < n ? kChunk : n - begin;
        sums[c] = context.kernels.softmax.squared_error(size, y + begin, target + begin);
      }
    });
    double sum = 0;
    for (int64_t c = 0; c < chunks; ++c) sum += sums[c];
    *context.out(0) = static_cast<T>(sum / static_cast<double>(n));
  }

  static void gradient(const Attributes&, GradientScope& scope) {
    for (int i = 0; i < 2; ++i) {
      if (!scope.wants(i)) continue;
      scope.set_input_gradient(i,
                               scope.emit(ops::MeanSquaredErrorGradient{},
                                          {scope.input(i), scope.input(1 - i), scope.output_gradient(0)})[0]);
    }
  }
};

struct MeanSquaredErrorGradientOp {
  using Attributes = ops::MeanSquaredErrorGradient;
  static constexpr std::string_view name = "mean_squared_error_gradient";
  static constexpr bool may_be_inplace = true;

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    check(in);
    return {*in[0]};
  }

  template <class T>
  static void run(const Attributes&, const Context<T>& context) {
    const int64_t n = context.in_shape(0).numel();
    const double scale = 2 * static_cast<double>(*context.in(2)) / static_cast<double>(n);
    const T *y = context.in(0), *target = context.in(1);
    T* dy = context.out(0);
    parallel_for(chunk_count(n), grain_for(kChunk), [&](int64_t first, int64_t last) {
      const int64_t begin = first * kChunk, end = last * kChunk < n ? last * kChunk : n;
      context.kernels.softmax.squared_error_gradient(end - begin, scale, y + begin, target + begin,
                                                     dy + begin);
    });
  }
};

}  // namespace

PLEAT_OP(MeanSquaredErrorOp)
PLEAT_OP(MeanSquaredErrorGradientOp)

}  // namespace pleat
