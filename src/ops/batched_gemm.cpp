#include "ops/batched_gemm.hpp"

#include <algorithm>

namespace pleat {
namespace {

// Whether the matrices follow each other through the whole batch, the first two `step` elements apart.
bool is_chain(const BatchedGemm& gemm, int64_t BatchDim::*stride, int64_t step) {
  for (int d = gemm.dims - 1; d >= 0; --d) {
    const BatchDim& dim = gemm.batch[static_cast<size_t>(d)];
    if (dim.*stride != step) return false;
    step *= dim.size;
  }
  return true;
}

bool all_of(const BatchedGemm& gemm, const auto& condition) {
  return std::all_of(gemm.batch.begin(), gemm.batch.begin() + gemm.dims, condition);
}

// Small products run side by side, each on one thread with its worker's workspace; large ones one after
// another.
template <class T>
bool side_by_side(const kernels::KernelTable<T>& kernels, const BatchedGemm& gemm) {
  return gemm.count(/*summed=*/false) > 1 && gemm_is_serial(kernels.gemm, gemm.m, gemm.n, gemm.k);
}

// Of C number `output`, the sum of its products, one after another.
template <class T>
void multiply(const Context<T>& context, const BatchedGemm& gemm, int64_t output, const T* a, const T* b,
              const T* packed_b, T* c, T* workspace) {
  constexpr DType type = dtype_of<T>();
  T* const product = workspace + gemm_workspace(gemm.m, gemm.n, gemm.k, type).shared / sizeof(T);
  const int64_t summed = gemm.count(/*summed=*/true);
  for (int64_t s = 0; s < summed; ++s) {
    GemmProblem<T> problem{.m = gemm.m,
                           .n = gemm.n,
                           .k = gemm.k,
                           .a = {a, gemm.a[0], gemm.a[1]},
                           .b = {b, gemm.b[0], gemm.b[1]},
                           .c = c,
                           .c_stride = gemm.n,
                           .packed_b = packed_b};
    int64_t place = output * summed + s;
    for (int d = gemm.dims - 1; d >= 0; --d) {
      const BatchDim& dim = gemm.batch[static_cast<size_t>(d)];
      problem.a.data += place % dim.size * dim.a;
      problem.b.data += place % dim.size * dim.b;
      problem.c += place % dim.size * dim.c;
      place /= dim.size;
    }
    T* const sum = problem.c;
    if (s > 0) problem.c = product;
    pleat::gemm(context, problem, workspace);
    if (s > 0) context.kernels.elementwise.add(gemm.m * gemm.n, sum, product, sum);
  }
}

}  // namespace

int64_t BatchedGemm::count(bool summed) const {
  int64_t product = 1;
  for (int d = 0; d < dims; ++d) {
    const BatchDim& dim = batch[static_cast<size_t>(d)];
    if (dim.summed == summed) product *= dim.size;
  }
  return product;
}

void BatchedGemm::prepend(const BatchDim& dim) {
  if (dim.size == 1) return;
  BatchDim *at = batch.data(), *const end = at + dims;
  if (dim.summed) at = std::find_if(at, end, [](const BatchDim& other) { return other.summed; });
  std::copy_backward(at, end, end + 1);
  *at = dim;
  ++dims;
}

void BatchedGemm::simplify() {
  const auto same_b = [](const BatchDim& dim) { return !dim.summed && dim.b == 0; };
  const auto is_summed = [](const BatchDim& dim) { return dim.summed; };
  if (all_of(*this, same_b) && is_chain(*this, &BatchDim::a, m * a[0]) &&
      is_chain(*this, &BatchDim::c, m * n)) {
    m *= count(/*summed=*/false);
    dims = 0;
  } else if (all_of(*this, is_summed) && is_chain(*this, &BatchDim::a, k * a[1]) &&
             is_chain(*this, &BatchDim::b, k * b[0])) {
    k *= count(/*summed=*/true);
    dims = 0;
  }
}

Workspace batched_gemm_workspace(const BatchedGemm& gemm, DType compute) {
  size_t bytes = gemm_workspace(gemm.m, gemm.n, gemm.k, compute).shared;
  if (gemm.count(/*summed=*/true) > 1) bytes += static_cast<size_t>(gemm.m * gemm.n) * size_of(compute);
  const bool small = compute == DType::f64 ? side_by_side(kernels::active_table<double>(), gemm)
                                           : side_by_side(kernels::active_table<float>(), gemm);
  return small ? Workspace{0, bytes} : Workspace{bytes, 0};
}

template <class T>
void run_batched_gemm(const Context<T>& context, const BatchedGemm& gemm, const T* a, const T* b,
                      const T* packed_b, T* c) {
  const int64_t outputs = gemm.count(/*summed=*/false), summed = gemm.count(/*summed=*/true);
  if (summed == 0) return context.kernels.elementwise.fill(outputs * gemm.m * gemm.n, T(0), c);
  if (!side_by_side(context.kernels, gemm)) {
    for (int64_t i = 0; i < outputs; ++i) multiply(context, gemm, i, a, b, packed_b, c, context.workspace());
    return;
  }
  const double work = static_cast<double>(summed) * gemm_work(gemm.m, gemm.n, gemm.k);
  parallel_for(outputs, grain_for(static_cast<int64_t>(work)), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      multiply(context, gemm, i, a, b, packed_b, c, context.worker_workspace());
    }
  });
}

template void run_batched_gemm<float>(const Context<float>&, const BatchedGemm&, const float*, const float*,
                                      const float*, float*);
template void run_batched_gemm<double>(const Context<double>&, const BatchedGemm&, const double*,
                                       const double*, const double*, double*);

}  // namespace pleat
