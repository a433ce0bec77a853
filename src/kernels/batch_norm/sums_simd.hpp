#pragma once

#include "kernels/batch_norm/contract.hpp"
#include "kernels/simd.hpp"

namespace pleat::kernels {
namespace {

// Sums over a block of one or two terms a value. A Term has Terms<K> at(offset, i, part): the terms of the
// values that stand `offset` behind the block's start, i being their place in the plane. Those that are
// summed by columns have ahead(offset): it asks for the line there.

/// Planes of fewer columns are passed down these columns, whose coefficients and sums stay in registers.
inline constexpr int64_t kNarrowPlane = 2 * kLanes, kPlanesAhead = 32;

/// A whole vector of values.
struct Whole {
  PLEAT_INLINE Vec load(const float* p) const { return kernels::load(p); }
  PLEAT_INLINE void store(float* p, Vec v) const { kernels::store(p, v); }
  PLEAT_INLINE void stream(float* p, Vec v) const { kernels::stream(p, v); }
  PLEAT_INLINE Vec keep(Vec v) const { return v; }
};

alignas(64) constexpr float kLaneNumbers[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

/// The first n < kLanes values of a vector: the rest of a plane.
struct Rest {
  int64_t n;
  PLEAT_INLINE Vec load(const float* p) const { return load_n(p, n); }
  PLEAT_INLINE void store(float* p, Vec v) const { store_n(p, v, n); }
  PLEAT_INLINE void stream(float* p, Vec v) const { store_n(p, v, n); }
  /// Zero in the lanes past n.
  PLEAT_INLINE Vec keep(Vec v) const {
    return xsimd::select(kernels::load(kLaneNumbers) < Vec(static_cast<float>(n)), v, Vec(0.0f));
  }
};

/// Calls body(i, part) for the vectors of a plane.
template <class Body>
PLEAT_INLINE void for_vectors(int64_t length, const Body& body) {
  int64_t i = 0;
  for (; i + kLanes <= length; i += kLanes) body(i, Whole{});
  if (i < length) body(i, Rest{length - i});
}

template <int K>
struct Terms {
  Vec of[K];
  static PLEAT_INLINE Terms zero() {
    Terms zeros;
    unroll<K>([&](auto k) PLEAT_LAMBDA_INLINE { zeros.of[k] = Vec(0.0f); });
    return zeros;
  }
  PLEAT_INLINE void add(const Terms& more) {
    unroll<K>([&](auto k) PLEAT_LAMBDA_INLINE { of[k] = of[k] + more.of[k]; });
  }
};

PLEAT_INLINE double sum_lanes_double(Vec v) {
  float lanes[kLanes];
  store(lanes, v);
  double sum = 0;
  for (int64_t i = 0; i < kLanes; ++i) sum += static_cast<double>(lanes[i]);
  return sum;
}

/// sums[k] = sum of term k over the block: four vectors of float partial sums, joined in double.
template <int K, class Term>
PLEAT_INLINE void sum_planes(const Term& term, PlaneBlock block, double* sums) {
  constexpr int kUnroll = 4;
  Terms<K> partial[kUnroll];
  unroll<kUnroll>([&](auto u) PLEAT_LAMBDA_INLINE { partial[u] = Terms<K>::zero(); });
  for (int64_t p = 0; p < block.planes; ++p) {
    const int64_t base = p * block.stride;
    int64_t i = 0;
    for (; i + kUnroll * kLanes <= block.length; i += kUnroll * kLanes) {
      unroll<kUnroll>([&](auto u) PLEAT_LAMBDA_INLINE {
        const int64_t at = i + u * kLanes;
        partial[u].add(term.at(base + at, at, Whole{}));
      });
    }
    for (; i + kLanes <= block.length; i += kLanes) partial[0].add(term.at(base + i, i, Whole{}));
    if (i < block.length) partial[1].add(term.at(base + i, i, Rest{block.length - i}));
  }
  unroll<K>([&](auto k) PLEAT_LAMBDA_INLINE {
    sums[k] = sum_lanes_double((partial[0].of[k] + partial[1].of[k]) + (partial[2].of[k] + partial[3].of[k]));
  });
}

/// Columns summed at once: their partial sums stay in the L1 cache while rows stream by.
inline constexpr int64_t kColumnTile = 512;

template <int K>
struct ColumnSums {
  float of[K][kColumnTile];
  PLEAT_INLINE Terms<K> load(int64_t i) const {
    Terms<K> sum;
    unroll<K>([&](auto k) PLEAT_LAMBDA_INLINE { sum.of[k] = kernels::load(of[k] + i); });
    return sum;
  }
  PLEAT_INLINE void store(int64_t i, const Terms<K>& sum) {
    unroll<K>([&](auto k) PLEAT_LAMBDA_INLINE { kernels::store(of[k] + i, sum.of[k]); });
  }
};

/// Calls body(first column, block of at most kColumnTile columns).
template <class Body>
PLEAT_INLINE void for_each_column_tile(PlaneBlock block, const Body& body) {
  for (int64_t first = 0; first < block.length; first += kColumnTile) {
    const int64_t left = block.length - first;
    body(first, PlaneBlock{block.planes, block.stride, left < kColumnTile ? left : kColumnTile, true});
  }
}

/// sums.of[k][i] = sum over the planes of term k of column i; four planes at a time. Meanwhile the lines of
/// the next four are asked for in their order: memory is twice as fast then as when four planes ask in turn.
template <int K, class Term>
PLEAT_INLINE void sum_columns(const Term& term, PlaneBlock block, ColumnSums<K>& sums) {
  // The sums of the terms of so many planes from `base` on.
  const auto terms_of = [&](int64_t base, int64_t i, auto part, auto planes) PLEAT_LAMBDA_INLINE {
    Terms<K> total = term.at(base + i, i, part);
    unroll<decltype(planes)::value - 1>(
        [&](auto r) PLEAT_LAMBDA_INLINE { total.add(term.at(base + (r + 1) * block.stride + i, i, part)); });
    return total;
  };
  const auto for_fours = [&](const auto& body) PLEAT_LAMBDA_INLINE {
    int64_t p = 0;
    for (; p + 4 <= block.planes; p += 4) body(p * block.stride, Index<4>{});
    for (; p < block.planes; ++p) body(p * block.stride, Index<1>{});
  };
  constexpr int64_t line = 64 / sizeof(float);
  const bool contiguous = block.stride == block.length;
  if (block.length < kNarrowPlane) {
    for_vectors(block.length, [&](int64_t i, auto part) PLEAT_LAMBDA_INLINE {
      Terms<K> sum = Terms<K>::zero();
      for_fours([&](int64_t base, auto planes) PLEAT_LAMBDA_INLINE {
        const int64_t next = base + kPlanesAhead * block.stride, end = next + planes * block.stride;
        for (int64_t at = next; contiguous && at < end; at += line) term.ahead(at);
        sum.add(terms_of(base, i, part, planes));
      });
      sums.store(i, sum);
    });
    return;
  }
  for_vectors(block.length, [&](int64_t i, auto) PLEAT_LAMBDA_INLINE { sums.store(i, Terms<K>::zero()); });
  for_fours([&](int64_t base, auto planes) PLEAT_LAMBDA_INLINE {
    constexpr int64_t count = decltype(planes)::value;
    for_vectors(block.length, [&](int64_t i, auto part) PLEAT_LAMBDA_INLINE {
      for (int64_t next = 0; contiguous && next < count * kLanes; next += line) {
        term.ahead(base + count * (block.stride + i) + next);
      }
      Terms<K> sum = sums.load(i);
      sum.add(terms_of(base, i, part, planes));
      sums.store(i, sum);
    });
  });
}

}  // namespace
}  // namespace pleat::kernels
