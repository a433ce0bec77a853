#pragma once

#include "ops/context.hpp"

namespace pleat {

template <class T>
struct Matrix {
  const T* data;
  int64_t row_stride, column_stride;
};

/// C (m, n) = A (m, k) B (k, n), then the epilogue where it is not null. Transposes are strides. C's columns
/// are contiguous; C overlaps neither A, B nor the epilogue's residual: it holds sums before they are whole.
template <class T>
struct GemmProblem {
  int64_t m, n, k;
  Matrix<T> a, b;
  T* c;
  int64_t c_stride;
  const kernels::Epilogue<T>* epilogue = nullptr;
  const T* packed_b = nullptr;  ///< what gemm_pack made of b; null: packed anew
};

/// Blocked and parallel; how the work is cut, and so each bit of C, depends on the shape alone. `workspace`
/// holds what gemm_workspace says, 64-byte aligned.
template <class T>
void gemm(const Context<T>& context, const GemmProblem<T>& problem, T* workspace);

/// Whether a product runs on its caller alone: it may then stand inside a parallel loop, with a worker's
/// workspace.
template <class T>
bool gemm_is_serial(const kernels::GemmKernels<T>& kernels, int64_t m, int64_t n, int64_t k);

/// Enough for every instruction set, and for B packed or not.
Workspace gemm_workspace(int64_t m, int64_t n, int64_t k, DType compute);

/// Elements of a packed B, and the packing; worth it once for a B that stays. Few rows of C (see
/// gemm_reads_b_in_place) are fastest with B as it lies, where its rows are contiguous along k.
int64_t gemm_packed_elements(int64_t n, int64_t k);
template <class T>
void gemm_pack(const kernels::GemmKernels<T>& kernels, int64_t n, int64_t k, Matrix<T> b, T* packed);
constexpr bool gemm_reads_b_in_place(int64_t m) {
  return m <= 2;
}

/// Elementary operations, as OpDef::work counts them.
constexpr double gemm_work(int64_t m, int64_t n, int64_t k) {
  return static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k) / 32;
}

}  // namespace pleat
