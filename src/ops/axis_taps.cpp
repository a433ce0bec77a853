#include "ops/axis_taps.hpp"

#include <algorithm>
#include <cstddef>

namespace pleat {
namespace {

// One table's memory. What it holds is no wider than 8 bytes.
constexpr size_t kSlot = 8;
size_t table_bytes(int64_t rows, int64_t taps) {
  return static_cast<size_t>(rows + 2 + 2 * taps) * kSlot;
}

template <class T>
AxisTaps<T> table_at(std::byte* memory, int64_t rows, int64_t taps) {
  auto* const numbers = reinterpret_cast<int64_t*>(memory);
  AxisTaps<T> table{0, numbers, numbers + rows + 2, reinterpret_cast<T*>(numbers + rows + 2 + taps)};
  table.first[0] = table.first[1] = 0;
  return table;
}

// The same map from y to x; the taps of a row stay in their order.
template <class T>
void transpose(const AxisTaps<T>& taps, int64_t columns, AxisTaps<T>& back) {
  std::fill_n(back.first, columns + 2, 0);
  // Counted one row late: filling a row moves its end to where it belongs.
  for (int64_t t = 0; t < taps.first[taps.rows]; ++t) ++back.first[taps.index[t] + 2];
  for (int64_t c = 0; c < columns; ++c) back.first[c + 2] += back.first[c + 1];
  for (int64_t r = 0; r < taps.rows; ++r) {
    for (int64_t t = taps.first[r]; t < taps.first[r + 1]; ++t) {
      const int64_t place = back.first[taps.index[t] + 1]++;
      back.index[place] = r;
      back.weight[place] = taps.weight[t];
    }
  }
  back.rows = columns;
}

// How many taps each row has, where all have as many; else 0.
template <class T>
int64_t taps_of_each(const AxisTaps<T>& taps) {
  const int64_t each = taps.first[1];
  for (int64_t i = 0; i < taps.rows; ++i) {
    if (taps.first[i + 1] - taps.first[i] != each) return 0;
  }
  return each;
}

// Rows [begin, end) of the innermost dimension, each of kTaps taps; 0: as many as it has.
template <int kTaps, class T>
void map_elements(const AxisTaps<T>& taps, int64_t begin, int64_t end, T empty, const T* x, T* y) {
  for (int64_t i = begin; i < end; ++i) {
    const int64_t first = kTaps > 0 ? i * kTaps : taps.first[i];
    const int64_t last = kTaps > 0 ? first + kTaps : taps.first[i + 1];
    T sum = first == last ? empty : T(0);
    for (int64_t t = first; t < last; ++t) sum += taps.weight[t] * x[taps.index[t]];
    y[i] = sum;
  }
}

template <class T>
void map_innermost(const AxisTaps<T>& taps, int64_t outer, int64_t in, T empty, const T* x, T* y) {
  const int64_t out = taps.rows, each = taps_of_each(taps);
  const auto map = each == 1   ? map_elements<1, T>
                   : each == 2 ? map_elements<2, T>
                   : each == 4 ? map_elements<4, T>
                               : map_elements<0, T>;
  parallel_for(outer * out, grain_for(taps.first[out] / out + 1), [&](int64_t begin, int64_t end) {
    while (begin < end) {
      const int64_t o = begin / out, row = o * out, last = std::min(end, row + out);
      map(taps, begin - row, last - row, empty, x + o * in, y + row);
      begin = last;
    }
  });
}

// A row of neighbours, by two taps at a time.
template <class T>
void map_row(const AxisTaps<T>& taps, int64_t i, int64_t inner, T empty, const T* x, T* y) {
  const int64_t first = taps.first[i], last = taps.first[i + 1];
  if (first == last) std::fill_n(y, inner, empty);
  for (int64_t t = first; t < last; t += 2) {
    const T *a = x + taps.index[t] * inner, *b = a;
    const T of_a = taps.weight[t];
    T of_b = 0;
    if (t + 1 < last) {
      b = x + taps.index[t + 1] * inner;
      of_b = taps.weight[t + 1];
    }
    if (t == first && t + 1 == last) {
      for (int64_t k = 0; k < inner; ++k) y[k] = of_a * a[k];
    } else if (t == first) {
      for (int64_t k = 0; k < inner; ++k) y[k] = of_a * a[k] + of_b * b[k];
    } else if (t + 1 == last) {
      for (int64_t k = 0; k < inner; ++k) y[k] += of_a * a[k];
    } else {
      for (int64_t k = 0; k < inner; ++k) y[k] += of_a * a[k] + of_b * b[k];
    }
  }
}

template <class T>
void map_rows(const AxisTaps<T>& taps, int64_t outer, int64_t in, int64_t inner, T empty, const T* x, T* y) {
  const int64_t out = taps.rows;
  const int64_t work = (taps.first[out] / out + 1) * inner / 4;
  parallel_for(outer * out, grain_for(work), [&](int64_t begin, int64_t end) {
    for (int64_t at = begin; at < end; ++at) {
      map_row(taps, at % out, inner, empty, x + at / out * in * inner, y + at * inner);
    }
  });
}

}  // namespace

AxisMaps::AxisMaps(const Shape& from, const Shape& to, bool transposed)
    : rank_(from.rank()), transposed_(transposed) {
  for (int d = 0; d < rank_; ++d) {
    const auto at = static_cast<size_t>(d);
    source_[at] = transposed ? to[d] : from[d];
    target_[at] = transposed ? from[d] : to[d];
  }
}

// What shrinks goes first, outermost dimensions first; then what grows, innermost first: the fewest elements
// on the way, and of these the fewest along the innermost dimension, whose elements go one by one.
bool AxisMaps::goes_before(const Map& a, const Map& b) const {
  const auto grows = [&](const Map& map) {
    return target_[static_cast<size_t>(map.dim)] >= source_[static_cast<size_t>(map.dim)];
  };
  if (grows(a) != grows(b)) return grows(b);
  return grows(a) ? a.dim > b.dim : a.dim < b.dim;
}

void AxisMaps::add(int dim, int64_t taps) {
  auto at = static_cast<size_t>(count_++);
  for (; at > 0 && goes_before({dim, taps}, maps_[at - 1]); --at) maps_[at] = maps_[at - 1];
  maps_[at] = {dim, taps};
}

AxisMaps::Sizes AxisMaps::sizes() const {
  Sizes sizes;
  auto dims = source_;
  for (size_t p = 0; p < static_cast<size_t>(count_); ++p) {
    const auto d = static_cast<size_t>(maps_[p].dim);
    sizes.table = std::max(sizes.table, table_bytes(std::max(source_[d], target_[d]), maps_[p].taps));
    dims[d] = target_[d];
    if (p + 1 == static_cast<size_t>(count_)) break;
    int64_t elements = 1;
    for (size_t i = 0; i < static_cast<size_t>(rank_); ++i) elements *= dims[i];
    sizes.between[p % 2] = std::max(sizes.between[p % 2], elements);
  }
  return sizes;
}

size_t AxisMaps::workspace_bytes(size_t element) const {
  const Sizes needed = sizes();
  return 2 * needed.table + static_cast<size_t>(needed.between[0] + needed.between[1]) * element;
}

template <class T>
void AxisMaps::run(FunctionRef<void(int dim, AxisTaps<T>& taps)> fill, T empty, void* workspace, const T* x,
                   T* y) const {
  const Sizes needed = sizes();
  auto* const tables = static_cast<std::byte*>(workspace);
  auto* const between = reinterpret_cast<T*>(tables + 2 * needed.table);
  auto dims = source_;
  const T* from = x;
  for (size_t p = 0; p < static_cast<size_t>(count_); ++p) {
    const auto d = static_cast<size_t>(maps_[p].dim);
    const int64_t in = source_[d], out = target_[d];
    int64_t outer = 1, inner = 1;
    for (size_t i = 0; i < d; ++i) outer *= dims[i];
    for (size_t i = d + 1; i < static_cast<size_t>(rank_); ++i) inner *= dims[i];
    T* to = p + 1 == static_cast<size_t>(count_) ? y : between + (p % 2) * needed.between[0];
    if (outer * out * inner > 0) {
      AxisTaps<T> taps = table_at<T>(tables, transposed_ ? in : out, maps_[p].taps);
      fill(maps_[p].dim, taps);
      if (transposed_) {
        AxisTaps<T> back = table_at<T>(tables + needed.table, out, maps_[p].taps);
        transpose(taps, out, back);
        taps = back;
      }
      if (inner == 1) {
        map_innermost(taps, outer, in, empty, from, to);
      } else {
        map_rows(taps, outer, in, inner, empty, from, to);
      }
    }
    dims[d] = out;
    from = to;
  }
  if (count_ == 0) {
    int64_t elements = 1;
    for (size_t i = 0; i < static_cast<size_t>(rank_); ++i) elements *= source_[i];
    std::copy_n(x, elements, y);
  }
}

template void AxisMaps::run(FunctionRef<void(int, AxisTaps<float>&)>, float, void*, const float*,
                            float*) const;
template void AxisMaps::run(FunctionRef<void(int, AxisTaps<double>&)>, double, void*, const double*,
                            double*) const;

}  // namespace pleat
