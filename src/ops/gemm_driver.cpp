#include "ops/gemm_driver.hpp"

#include <algorithm>

namespace pleat {
namespace {

// A panel of B, kDepth deep, stays in the first cache beside one of A; a block's A in the second.
constexpr int64_t kDepth = 256;
constexpr int64_t kRows = 168, kFewestRows = 84;  // multiples of every micro-kernel's rows
constexpr int64_t kColumns = 512, kFewestColumns = 64;
constexpr int64_t kTallestPanel = 14, kWidestPanel = 32;  // rows of A, columns of B, of all instruction sets
constexpr double kTaskMultiplyAdds = 1 << 20;             // about 20 us
constexpr int64_t kMostTasks = 64;
// A B that is used once is better read where it lies for up to so many rows of C.
constexpr int64_t kRowsWithoutPacking = 6;
// So is an A for up to so many columns; fewer where its rows are whole pages apart, in the same cache sets.
constexpr int64_t kColumnsWithoutPacking = 511, kColumnsWithoutPackingPages = 127;
constexpr int64_t kPage = 4096;

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

template <class T>
bool packs_a(const GemmProblem<T>& p) {
  const bool pages = p.a.row_stride * int64_t{sizeof(T)} % kPage == 0;
  return p.n > (pages ? kColumnsWithoutPackingPages : kColumnsWithoutPacking);
}

int64_t packed_a_elements(int64_t m, int64_t k) {
  return (m + kTallestPanel) * k;
}

// One block of C, its sums over [first, last) of k. packed_a is null where A is read as it lies.
template <class T>
void multiply_block(const kernels::GemmKernels<T>& gemm, const GemmProblem<T>& p, const T* packed_a,
                    const T* packed_b, const Grid& grid, int64_t row, int64_t column, int64_t first,
                    int64_t last) {
  const int64_t rows = std::min(grid.rows, p.m - row), columns = std::min(grid.columns, p.n - column);
  const int64_t padded_m = round_up(p.m, gemm.mr), padded_n = round_up(p.n, gemm.nr);
  kernels::Epilogue<T> epilogue;
  if (p.epilogue != nullptr) epilogue = shifted(*p.epilogue, row, column);
  T* c = p.c + row * p.c_stride + column;
  for (int64_t l = first; l == first || l < last; l += kDepth) {
    const int64_t depth = std::min(kDepth, last - l);
    const T* b = packed_b + l * padded_n + column * depth;
    const bool accumulate = l > first;
    const auto* e = p.epilogue != nullptr && l + depth >= last ? &epilogue : nullptr;
    if (packed_a != nullptr) {
      gemm.multiply(rows, columns, depth, packed_a + l * padded_m + row * depth, b, c, p.c_stride, accumulate,
                    e);
    } else {
      gemm.multiply_strided(rows, columns, depth, p.a.data + row * p.a.row_stride + l * p.a.column_stride,
                            p.a.row_stride, p.a.column_stride, b, c, p.c_stride, accumulate, e);
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

constexpr int64_t kColumnUnit = 8;  // columns that multiply_rows takes at once

// Columns from the last cache take about as long as the products of two rows more.
int64_t column_grain(int64_t m, int64_t k) {
  return grain_for((m + 2) * k * kColumnUnit / 32);
}
// Of panels `width` wide and kDepth deep.
int64_t panel_grain(int64_t width) {
  return grain_for(kDepth * width / 4);
}
int64_t panel_count(int64_t n, int64_t width, int64_t k) {
  return ceil_div(k, kDepth) * ceil_div(n, width);
}

template <class T>
void multiply_rows(const Context<T>& context, const GemmProblem<T>& p) {
  parallel_for(ceil_div(p.n, kColumnUnit), column_grain(p.m, p.k), [&](int64_t begin, int64_t end) {
    const int64_t column = begin * kColumnUnit, columns = std::min(end * kColumnUnit, p.n) - column;
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
  const int64_t panels = ceil_div(n, kernels.nr);
  parallel_for(panel_count(n, kernels.nr, k), panel_grain(kernels.nr), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t l = i / panels * kDepth, column = i % panels * kernels.nr;
      const int64_t depth = std::min(kDepth, k - l);
      kernels.pack_b(depth, std::min(kernels.nr, n - column),
                     b.data + l * b.row_stride + column * b.column_stride, b.row_stride, b.column_stride,
                     packed + l * panels * kernels.nr + column * depth);
    }
  });
}

namespace {

// The same for A.
template <class T>
void pack_a(const kernels::GemmKernels<T>& kernels, const GemmProblem<T>& p, T* packed) {
  const int64_t panels = ceil_div(p.m, kernels.mr);
  parallel_for(panel_count(p.m, kernels.mr, p.k), panel_grain(kernels.mr), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t l = i / panels * kDepth, row = i % panels * kernels.mr;
      const int64_t depth = std::min(kDepth, p.k - l);
      kernels.pack_a(std::min(kernels.mr, p.m - row), depth,
                     p.a.data + row * p.a.row_stride + l * p.a.column_stride, p.a.row_stride,
                     p.a.column_stride, packed + l * panels * kernels.mr + row * depth);
    }
  });
}

}  // namespace

template <class T>
bool gemm_is_serial(const kernels::GemmKernels<T>& kernels, int64_t m, int64_t n, int64_t k) {
  return grid_for(m, n, k).tasks() <= 1 &&
         (m > kRowsWithoutPacking || ceil_div(n, kColumnUnit) <= column_grain(m, k)) &&
         panel_count(n, kernels.nr, k) <= panel_grain(kernels.nr) &&
         panel_count(m, kernels.mr, k) <= panel_grain(kernels.mr);
}

Workspace gemm_workspace(int64_t m, int64_t n, int64_t k, DType compute) {
  const Grid grid = grid_for(m, n, k);
  const int64_t parts = grid.parts > 1 ? grid.parts * m * n : 0;
  const int64_t elements = gemm_packed_elements(n, k) + packed_a_elements(m, k) + parts;
  return {static_cast<size_t>(elements) * size_of(compute), 0};
}

template <class T>
void gemm(const Context<T>& context, const GemmProblem<T>& p, T* workspace) {
  if (p.packed_b == nullptr && p.m <= kRowsWithoutPacking && p.a.column_stride == 1 && p.b.row_stride == 1) {
    return multiply_rows(context, p);
  }
  const kernels::GemmKernels<T>& kernels = context.kernels.gemm;
  const Grid grid = grid_for(p.m, p.n, p.k);
  const T* packed_b = p.packed_b;
  if (packed_b == nullptr) {
    gemm_pack(kernels, p.n, p.k, p.b, workspace);
    packed_b = workspace;
  }
  T* a = workspace + gemm_packed_elements(p.n, p.k);
  T* parts = a + packed_a_elements(p.m, p.k);
  const T* packed_a = nullptr;
  if (packs_a(p)) {
    pack_a(kernels, p, a);
    packed_a = a;
  }
  parallel_for(grid.tasks(), grain_for(static_cast<int64_t>(gemm_work(grid.rows, grid.columns, grid.depth))),
               [&](int64_t begin, int64_t end) {
                 for (int64_t i = begin; i < end; ++i) {
                   const int64_t block = i / grid.parts, part = i % grid.parts;
                   const int64_t row = block / grid.column_blocks * grid.rows;
                   const int64_t column = block % grid.column_blocks * grid.columns;
                   const int64_t first = part * grid.depth, last = std::min(p.k, first + grid.depth);
                   GemmProblem<T> into = p;
                   if (grid.parts > 1) {
                     into.c = parts + part * p.m * p.n;
                     into.c_stride = p.n;
                     into.epilogue = nullptr;
                   }
                   multiply_block(kernels, into, packed_a, packed_b, grid, row, column, first, last);
                 }
               });
  if (grid.parts > 1) add_parts(context, p, grid.parts, parts);
}

template bool gemm_is_serial<float>(const kernels::GemmKernels<float>&, int64_t, int64_t, int64_t);
template bool gemm_is_serial<double>(const kernels::GemmKernels<double>&, int64_t, int64_t, int64_t);
template void gemm_pack<float>(const kernels::GemmKernels<float>&, int64_t, int64_t, Matrix<float>, float*);
template void gemm_pack<double>(const kernels::GemmKernels<double>&, int64_t, int64_t, Matrix<double>,
                                double*);
template void gemm<float>(const Context<float>&, const GemmProblem<float>&, float*);
template void gemm<double>(const Context<double>&, const GemmProblem<double>&, double*);

}  // namespace pleat
