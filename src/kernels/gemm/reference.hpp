#pragma once

#include "kernels/activation_reference.hpp"
#include "kernels/gemm/contract.hpp"

namespace pleat::kernels::reference {

// A tile of 4 x 4 that nothing depends on: panels with edges, as in the SIMD tables.
inline constexpr int64_t kGemmTile = 4;

template <class T>
void gemm_pack_a(int64_t m, int64_t k, const T* a, int64_t row_stride, int64_t column_stride, T* packed) {
  for (int64_t first = 0; first < m; first += kGemmTile) {
    for (int64_t l = 0; l < k; ++l) {
      for (int64_t i = first; i < first + kGemmTile; ++i) {
        *packed++ = i < m ? a[i * row_stride + l * column_stride] : T(0);
      }
    }
  }
}

template <class T>
void gemm_pack_b(int64_t k, int64_t n, const T* b, int64_t row_stride, int64_t column_stride, T* packed) {
  gemm_pack_a(n, k, b, column_stride, row_stride, packed);
}

template <class T>
void gemm_scale_panel(int64_t k, const T* packed, const T* factors, T* scaled) {
  for (int64_t i = 0; i < k * kGemmTile; ++i) scaled[i] = packed[i] * factors[i / kGemmTile];
}

template <class T>
T gemm_finish(T sum, int64_t i, int64_t j, const Epilogue<T>* epilogue) {
  if (epilogue == nullptr) return sum;
  const Epilogue<T>& e = *epilogue;
  if (e.row_bias != nullptr) sum += e.row_bias[i];
  if (e.column_bias != nullptr) sum += e.column_bias[j];
  if (e.residual != nullptr) sum += e.residual[i * e.residual_stride + j];
  return activate(e.activation, sum, e.alpha);
}

template <class T>
void gemm_multiply_strided(int64_t m, int64_t n, int64_t k, const T* a, int64_t row_stride,
                           int64_t column_stride, const T* packed_b, T* c, int64_t c_stride, bool accumulate,
                           const Epilogue<T>* epilogue) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      const T* b = packed_b + j / kGemmTile * kGemmTile * k + j % kGemmTile;
      T sum = 0;
      for (int64_t l = 0; l < k; ++l) sum += a[i * row_stride + l * column_stride] * b[l * kGemmTile];
      T& out = c[i * c_stride + j];
      out = gemm_finish(accumulate ? out + sum : sum, i, j, epilogue);
    }
  }
}

template <class T>
void gemm_multiply(int64_t m, int64_t n, int64_t k, const T* packed_a, const T* packed_b, T* c,
                   int64_t c_stride, bool accumulate, const Epilogue<T>* epilogue) {
  for (int64_t first = 0; first < m; first += kGemmTile) {
    Epilogue<T> rows = epilogue != nullptr ? *epilogue : Epilogue<T>{};
    if (rows.row_bias != nullptr) rows.row_bias += first;
    if (rows.residual != nullptr) rows.residual += first * rows.residual_stride;
    gemm_multiply_strided(m - first < kGemmTile ? m - first : kGemmTile, n, k, packed_a + first * k,
                          int64_t{1}, kGemmTile, packed_b, c + first * c_stride, c_stride, accumulate, &rows);
  }
}

template <class T>
void gemm_multiply_rows(int64_t m, int64_t n, int64_t k, const T* a, int64_t a_stride, const T* b,
                        int64_t b_stride, T* c, int64_t c_stride, const Epilogue<T>* epilogue) {
  for (int64_t i = 0; i < m; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      T sum = 0;
      for (int64_t l = 0; l < k; ++l) sum += a[i * a_stride + l] * b[j * b_stride + l];
      c[i * c_stride + j] = gemm_finish(sum, i, j, epilogue);
    }
  }
}

template <class T>
inline constexpr GemmKernels<T> kGemm = {.mr = kGemmTile,
                                         .nr = kGemmTile,
                                         .pack_a = gemm_pack_a<T>,
                                         .pack_b = gemm_pack_b<T>,
                                         .scale_panel = gemm_scale_panel<T>,
                                         .multiply = gemm_multiply<T>,
                                         .multiply_strided = gemm_multiply_strided<T>,
                                         .multiply_rows = gemm_multiply_rows<T>};

}  // namespace pleat::kernels::reference
