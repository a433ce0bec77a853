// The total 2-norm of all gradients and the factor that brings it down to max_norm, as
// torch.nn.utils.clip_grad_norm_: factor = min(1, max_norm / (norm + 1e-6)). Squares are summed in double
// over fixed chunks. The updates multiply their gradient by the factor: no gradient is written twice.

#include <cmath>

#include "base/format.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

constexpr int64_t kChunk = 16384;

int64_t chunk_count(int64_t n) {
  return (n + kChunk - 1) / kChunk;
}

struct ClipGradNormOp {
  using Attributes = ops::ClipGradNorm;
  static constexpr std::string_view name = "clip_grad_norm";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    if (in.empty()) fail("clip_grad_norm: needs at least one gradient");
    if (!(attributes.max_norm > 0)) {
      fail("clip_grad_norm: max_norm must be positive, got ", attributes.max_norm);
    }
    return {{in[0]->dtype, Shape{2}}};
  }

  static Workspace workspace(const Attributes&, const InputTypes& in, DType) {
    int64_t most = 0;
    for (const ValueType* gradient : in) {
      most = chunk_count(gradient->shape.numel()) > most ? chunk_count(gradient->shape.numel()) : most;
    }
    return {.shared = static_cast<size_t>(most) * sizeof(double)};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    double* sums = context.template workspace<double>();
    double total = 0;
    for (int i = 0; i < context.input_count(); ++i) {
      const T* gradient = context.in(i);
      const int64_t n = context.in_shape(i).numel(), chunks = chunk_count(n);
      parallel_for(chunks, grain_for(kChunk / 4), [&](int64_t first, int64_t last) {
        for (int64_t c = first; c < last; ++c) {
          const int64_t begin = c * kChunk, size = begin + kChunk < n ? kChunk : n - begin;
          sums[c] = context.kernels.update.sum_squares(size, gradient + begin);
        }
      });
      for (int64_t c = 0; c < chunks; ++c) total += sums[c];
    }
    const double norm = std::sqrt(total), factor = attributes.max_norm / (norm + 1e-6);
    context.out(0)[0] = static_cast<T>(norm);
    context.out(0)[1] = static_cast<T>(factor > 1 ? 1 : factor);  // NaN stays NaN
  }

  static double work(const Attributes&, const InputTypes& in) {
    double elements = 0;
    for (const ValueType* gradient : in) elements += static_cast<double>(gradient->shape.numel());
    return elements / 4;
  }
};

}  // namespace

PLEAT_OP(ClipGradNormOp)

}  // namespace pleat
