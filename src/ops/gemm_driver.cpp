#include "ops/gemm_driver.hpp"

#include <algorithm>

namespace pleat {
namespace {

// A panel of B, kDepth deep, stays in the first cache beside one of A; a packed block of A in the second.
constexpr int64_t kDepth = 256;
constexpr int64_t kRows = 168, kFewestRows = 42;  // multiples of most micro-kernels' rows
constexpr int64_t kColumns = 512, kFewestColumns = 64;
constexpr int64_t kWidestPanel = 32;           // columns, of all instruction sets
constexpr int64_t kTallestPanel = 14;          // rows
constexpr double kTaskMultiplyAdds = 1 << 19;  // about 10 us
constexpr int64_t kMostTasks = 64;
// Packing a B that is used once costs more than reading it where it lies for up to so many rows of C.
constexpr int64_t kRowsWithoutPacking = 6;

constexpr int64_t ceil_div(int64_t a, int64_t b) {
  return (a + b - 1) / b;
}
constexpr int64_t round_up(int64_t n, int64_t unit) {
  return ceil_div(n, unit) * unit;
}

// How C and the sums along k are cut into tasks; from the shape alone.
struct Grid {
  int64_t rows, columns;  // of a task's block of C
  int64_t depth;          // of a task's part of the sums
  int64_t row_blocks, column_blocks, parts;
  int64_t tasks() const { return row_blocks * column_blocks * parts; }
};

Grid grid_for(int64_t m, int64_t n, int64_t k) {
  if (m == 0 || n == 0) return {1, 1, k, 0, 0, 1};
  const double multiply_adds = static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
  const int64_t wanted =
      std::clamp(static_cast<int64_t>(multiply_adds / kTaskMultiplyAdds), int64_t{1}, kMostTasks);
  int64_t rows = std::min(kRows, round_up(m, kFewestRows));
  int64_t columns = std::min(kColumns, round_up(n, kFewestColumns));
  while (ceil_div(m, rows) * ceil_div(n, columns) < wanted) {
    if (columns > kFewestColumns && (columns >= rows || rows <= kFewestRows)) {
      columns = round_up(columns / 2, kFewestColumns);
    } else if (rows > kFewestRows) {
      rows = round_up(rows / 2, kFewestRows);
    } else {
      break;
    }
  }
  Grid grid = {rows, columns, k, ceil_div(m, rows), ceil_div(n, columns), 1};
  // Where C is small, the sums themselves are cut and the parts added in order.
  if (grid.tasks() * 2 <= wanted && k >= 2 * kDepth) {
    const int64_t parts = std::min(wanted / grid.tasks(), k / kDepth);
    grid.depth = round_up(ceil_div(k, parts), kDepth);
    grid.parts = ceil_div(k, grid.depth);
  }
  return grid;
}

template <class T>
kernels::Epilogue<T> shifted(kernels::Epilogue<T> e, int64_t row, int64_t column) {
  if (e.row_bias != nullptr) e.row_bias += row;
  if (e.column_bias != nullptr) e.column_bias += column;
  if (e.residual != nullptr) e.residual += row * e.residual_stride + column;
  return e;
}

// One block of C, its sums over [first, last) of k.
template <class T>
void multiply_block(const Context<T>& context, const GemmProblem<T>& p, const T* packed_b, const Grid& grid,
                    int64_t row, int64_t column, int64_t first, int64_t last, T* c, int64_t c_stride,
                    const kernels::Epilogue<T>* epilogue) {
  const kernels::GemmKernels<T>& gemm = context.kernels.gemm;
  const int64_t rows = std::min(grid.rows, p.m - row), columns = std::min(grid.columns, p.n - column);
  const int64_t padded_n = round_up(p.n, gemm.nr);
  // A panel of A that few panels of B meet is not worth packing, unless its rows are far apart.
  const bool pack_a = columns >= 8 * gemm.nr || (columns >= 4 * gemm.nr && p.a.column_stride != 1);
  kernels::Epilogue<T> block_epilogue;
  if (epilogue != nullptr) block_epilogue = shifted(*epilogue, row, column);
  for (int64_t l = first; l == first || l < last; l += kDepth) {
    const int64_t depth = std::min(kDepth, last - l);
    const T* a = p.a.data + row * p.a.row_stride + l * p.a.column_stride;
    const T* b = packed_b + l * padded_n + column * depth;
    T* block = c + row * c_stride + column;
    const bool accumulate = l > first;
    const auto* e = epilogue != nullptr && l + depth >= last ? &block_epilogue : nullptr;
    if (pack_a) {
      T* packed = context.template worker_workspace<T>();
      gemm.pack_a(rows, depth, a, p.a.row_stride, p.a.column_stride, packed);
      gemm.multiply(rows, columns, depth, packed, b, block, c_stride, accumulate, e);
    } else {
      gemm.multiply_strided(rows, columns, depth, a, p.a.row_stride, p.a.column_stride, b, block, c_stride,
                            accumulate, e);
    }
  }
}

// C from the parts of its sums, parts[i] of m * n elements each, added in order.
template <class T>
void add_parts(const Context<T>& context, const GemmProblem<T>& p, int64_t count, T* parts) {
  const int64_t size = p.m * p.n;
  parallel_for(p.m, grain_for(p.n * count / 4), [&](int64_t begin, int64_t end) {
    T* sum = parts + begin * p.n;
    const int64_t elements = (end - begin) * p.n;
    for (int64_t i = 1; i < count; ++i) {
      const T* part = sum + i * size;
      for (int64_t j = 0; j < elements; ++j) sum[j] += part[j];
    }
    if (p.epilogue != nullptr) {
      const kernels::Epilogue<T> epilogue = shifted(*p.epilogue, begin, 0);
      context.kernels.gemm.multiply_strided(end - begin, p.n, 0, p.a.data, 0, 0, p.b.data, sum, p.n,
                                            /*accumulate=*/true, &epilogue);
    }
    for (int64_t i = begin; i < end; ++i, sum += p.n) std::copy(sum, sum + p.n, p.c + i * p.c_stride);
  });
}

template <class T>
void multiply_rows(const Context<T>& context, const GemmProblem<T>& p) {
  constexpr int64_t unit = 8;  // columns that the kernel takes at once
  parallel_for(ceil_div(p.n, unit), grain_for(p.m * p.k * unit / 32), [&](int64_t begin, int64_t end) {
    const int64_t column = begin * unit, columns = std::min(end * unit, p.n) - column;
    kernels::Epilogue<T> epilogue;
    if (p.epilogue != nullptr) epilogue = shifted(*p.epilogue, 0, column);
    context.kernels.gemm.multiply_rows(p.m, columns, p.k, p.a.data, p.a.row_stride,
                                       p.b.data + column * p.b.column_stride, p.b.column_stride, p.c + column,
                                       p.c_stride, &epilogue);
  });
}

}  // namespace

int64_t gemm_packed_elements(int64_t n, int64_t k) {
  return round_up(n, kWidestPanel) * k;
}

// One piece for each kDepth of k, each in panels.
template <class T>
void gemm_pack(const kernels::GemmKernels<T>& kernels, int64_t n, int64_t k, Matrix<T> b, T* packed) {
  const int64_t panels = ceil_div(n, kernels.nr), pieces = ceil_div(k, kDepth);
  parallel_for(pieces * panels, grain_for(kDepth * kernels.nr / 4), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t l = i / panels * kDepth, column = i % panels * kernels.nr;
      const int64_t depth = std::min(kDepth, k - l);
      kernels.pack_b(depth, std::min(kernels.nr, n - column),
                     b.data + l * b.row_stride + column * b.column_stride, b.row_stride, b.column_stride,
                     packed + l * panels * kernels.nr + column * depth);
    }
  });
}

Workspace gemm_workspace(int64_t m, int64_t n, int64_t k, DType compute) {
  const Grid grid = grid_for(m, n, k);
  const int64_t parts = grid.parts > 1 ? grid.parts * m * n : 0;
  const int64_t packed_a = (grid.rows + kTallestPanel) * std::min(k, kDepth);
  const size_t element = size_of(compute);
  return {static_cast<size_t>(gemm_packed_elements(n, k) + parts) * element,
          static_cast<size_t>(packed_a) * element};
}

template <class T>
void gemm(const Context<T>& context, const GemmProblem<T>& p, T* workspace) {
  if (p.packed_b == nullptr && p.m <= kRowsWithoutPacking && p.a.column_stride == 1 && p.b.row_stride == 1) {
    return multiply_rows(context, p);
  }
  const Grid grid = grid_for(p.m, p.n, p.k);
  const T* packed_b = p.packed_b;
  if (packed_b == nullptr) {
    gemm_pack(context.kernels.gemm, p.n, p.k, p.b, workspace);
    packed_b = workspace;
  }
  T* parts = workspace + gemm_packed_elements(p.n, p.k);
  parallel_for(grid.tasks(), grain_for(static_cast<int64_t>(gemm_work(grid.rows, grid.columns, grid.depth))),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t block = i / grid.parts, part = i % grid.parts;
                   const int64_t row = block / grid.column_blocks * grid.rows;
                   const int64_t column = block % grid.column_blocks * grid.columns;
                   const int64_t first = part * grid.depth, last = std::min(p.k, first + grid.depth);
                   if (grid.parts == 1) {
                     multiply_block(context, p, packed_b, grid, row, column, first, last, p.c, p.c_stride,
                                    p.epilogue);
                   } else {
                     multiply_block<T>(context, p, packed_b, grid, row, column, first, last,
                                       parts + part * p.m * p.n, p.n, nullptr);
                   }
                 }
               });
  if (grid.parts > 1) add_parts(context, p, grid.parts, parts);
}

template void gemm_pack<float>(const kernels::GemmKernels<float>&, int64_t, int64_t, Matrix<float>, float*);
template void gemm_pack<double>(const kernels::GemmKernels<double>&, int64_t, int64_t, Matrix<double>,
                                double*);
template void gemm<float>(const Context<float>&, const GemmProblem<float>&, float*);
template void gemm<double>(const Context<double>&, const GemmProblem<double>&, double*);

}  // namespace pleat
