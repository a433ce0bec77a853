#pragma once

#include <array>

#include "ops/gemm_driver.hpp"

namespace pleat {

/// One dimension of a batch of products: elements from a matrix of each operand to its next, 0 where it is
/// the same one. Along a summed dimension all products go into one C.
struct BatchDim {
  int64_t size, a, b, c;
  bool summed;
};

inline constexpr int kMostBatchDims = 8;

/// C (m, n) = A (m, k) B (k, n) for every index of a batch; C's matrices are contiguous.
struct BatchedGemm {
  int64_t m, n, k;
  std::array<int64_t, 2> a, b;  ///< elements from row to row, and from column to column
  int dims = 0;
  std::array<BatchDim, kMostBatchDims> batch = {};  ///< outermost first, summed ones last

  /// Products of the sizes of the summed dimensions, or of the others.
  int64_t count(bool summed) const;

  /// Puts a dimension before those of its kind that are there; one of size 1 is none.
  void prepend(const BatchDim& dim);
  /// To be called when all are there: a batch that only gives A more rows, or the sums more terms, becomes
  /// one product.
  void simplify();
};

Workspace batched_gemm_workspace(const BatchedGemm& gemm, DType compute);

/// packed_b: null, or where there is no batch what gemm_pack made of b.
template <class T>
void run_batched_gemm(const Context<T>& context, const BatchedGemm& gemm, const T* a, const T* b,
                      const T* packed_b, T* c);

}  // namespace pleat
