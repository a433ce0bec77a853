#pragma once

#include <cstdint>

#include "kernels/activation.hpp"

namespace pleat::kernels {

/// What happens to a finished tile of C before it is stored: c = act(c + row_bias[i] + column_bias[j] +
/// residual[i,j]). Null pointers are left out. residual has C's shape and may be C itself.
template <class T>
struct Epilogue {
  const T* row_bias = nullptr;
  const T* column_bias = nullptr;
  const T* residual = nullptr;
  int64_t residual_stride = 0;
  Activation activation = Activation::none;
  T alpha = 0;
};

/// Matrix products on packed panels. Packed A: [ceil(m/mr)][k][mr]; packed B: [ceil(n/nr)][k][nr]; rows and
/// columns past the edge are packed as zeros, which nothing depends on. They are fastest 64-byte aligned.
///
/// Each element's sum runs over l in order, whatever m and n are and whether A is packed: the same bits
/// however C is cut into blocks. The epilogue is applied where it is not null.
template <class T>
struct GemmKernels {
  int64_t mr, nr;  ///< the micro-kernel's tile: mr rows of C by nr columns

  /// packed[p][l][i] = a[(p*mr+i)*row_stride + l*column_stride]
  void (*pack_a)(int64_t m, int64_t k, const T* a, int64_t row_stride, int64_t column_stride, T* packed);
  /// packed[p][l][j] = b[l*row_stride + (p*nr+j)*column_stride]
  void (*pack_b)(int64_t k, int64_t n, const T* b, int64_t row_stride, int64_t column_stride, T* packed);
  /// One panel of packed B: scaled[l][j] = packed[l][j] * factors[l].
  void (*scale_panel)(int64_t k, const T* packed, const T* factors, T* scaled);
  /// c[i*c_stride + j] = (accumulate ? c : 0) + sum_l A[i,l] B[l,j], then the epilogue. A and B are packed.
  void (*multiply)(int64_t m, int64_t n, int64_t k, const T* packed_a, const T* packed_b, T* c,
                   int64_t c_stride, bool accumulate, const Epilogue<T>* epilogue);
  /// The same with A where it lies: A[i,l] = a[i*row_stride + l*column_stride]. Better than packing where n
  /// is small.
  void (*multiply_strided)(int64_t m, int64_t n, int64_t k, const T* a, int64_t row_stride,
                           int64_t column_stride, const T* packed_b, T* c, int64_t c_stride, bool accumulate,
                           const Epilogue<T>* epilogue);
  /// c[i*c_stride + j] = sum_l a[i*a_stride + l] b[j*b_stride + l], then the epilogue: nothing is packed, so
  /// it is for few rows m, where each b is used once or twice. Sums run over SIMD lanes, then across them;
  /// the same bits however n is cut.
  void (*multiply_rows)(int64_t m, int64_t n, int64_t k, const T* a, int64_t a_stride, const T* b,
                        int64_t b_stride, T* c, int64_t c_stride, const Epilogue<T>* epilogue);
};

}  // namespace pleat::kernels
