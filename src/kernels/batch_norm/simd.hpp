#pragma once

#include "kernels/activation_simd.hpp"
#include "kernels/batch_norm/contract.hpp"
#include "kernels/batch_norm/sums_simd.hpp"

namespace pleat::kernels {
namespace {

/// A channel's coefficient: one for the block, or one a column.
template <bool kPerColumn>
struct Coefficient {
  static constexpr bool kColumns = kPerColumn;
  const float* p;
  Vec first;
  explicit PLEAT_INLINE Coefficient(const float* values) : p(values), first(kPerColumn ? 0.0f : *values) {}
  template <class Part>
  PLEAT_INLINE Vec at(int64_t i, Part part) const {
    if constexpr (kPerColumn) return part.load(p + i);
    return first;
  }
};

/// Calls columns(i, part), which loads the coefficients there, and what that returns with the offset of each
/// of their vectors in the block.
template <class Columns>
PLEAT_INLINE void for_each_vector(PlaneBlock block, const Columns& columns) {
  if (block.length < kNarrowPlane) {
    for_vectors(block.length, [&](int64_t i, auto part) PLEAT_LAMBDA_INLINE {
      const auto body = columns(i, part);
      for (int64_t p = 0; p < block.planes; ++p) body(p * block.stride + i);
    });
    return;
  }
  for (int64_t p = 0; p < block.planes; ++p) {
    for_vectors(block.length,
                [&](int64_t i, auto part) PLEAT_LAMBDA_INLINE { columns(i, part)(p * block.stride + i); });
  }
}

/// Calls body with `flag` as a constant.
template <bool kValue>
struct Flag {
  static constexpr bool value = kValue;
};
template <class Body>
PLEAT_INLINE void with_flag(bool flag, const Body& body) {
  if (flag) {
    body(Flag<true>{});
  } else {
    body(Flag<false>{});
  }
}

// ---- forward

struct ShiftedTerms {  // x - shift
  const float* x;
  Vec shift;
  template <class Part>
  PLEAT_INLINE Terms<1> at(int64_t offset, int64_t, Part part) const {
    return {{part.keep(part.load(x + offset) - shift)}};
  }
};
struct DeviationTerms {  // d = x - center, and d^2
  const float* x;
  Vec center;
  template <class Part>
  PLEAT_INLINE Terms<2> at(int64_t offset, int64_t, Part part) const {
    const Vec d = part.keep(part.load(x + offset) - center);
    return {{d, d * d}};
  }
};

/// An eighth of the values, or few. The mean c of m values out of n is close enough to the mean to sum
/// deviations from: m2 >= m (c - mean)^2, as these m alone deviate so much, and so
/// sum (x - c)^2 = m2 + n (c - mean)^2 <= (1 + n/m) m2, however the values are ordered.
PLEAT_INLINE PlaneBlock sample(PlaneBlock block) {
  constexpr int64_t share = 8, few_planes = 4, few_values = 128;
  const auto cut = [](int64_t size, int64_t few) {
    const int64_t part = size / share;
    return part < few ? (size < few ? size : few) : part;
  };
  if (block.per_column || block.planes > 1) {
    block.planes = cut(block.planes, few_planes);
  } else {
    block.length = cut(block.length, few_values);
  }
  return block;
}

/// Mean and sum of squared deviations of 1 / share values, from sums of their deviations d from `center` and
/// of d^2.
PLEAT_INLINE void finish_statistics(double center, double sum, double squares, double share, double* mean,
                                    double* m2) {
  *mean = center + sum * share;
  const double corrected = squares - sum * sum * share;
  *m2 = corrected < 0 ? 0 : corrected;  // NaN stays
}

void statistics(const float* x, PlaneBlock block, double* mean, double* m2) {
  double sum, sums[2];
  const PlaneBlock sampled = sample(block);
  sum_planes<1>(ShiftedTerms{x, Vec(x[0])}, sampled, &sum);
  const auto center =
      static_cast<float>(static_cast<double>(x[0]) + sum / static_cast<double>(sampled.values()));
  sum_planes<2>(DeviationTerms{x, Vec(center)}, block, sums);
  finish_statistics(static_cast<double>(center), sums[0], sums[1], 1 / static_cast<double>(block.values()),
                    mean, m2);
}

struct ShiftedColumnTerms {
  const float *x, *shift;
  PLEAT_INLINE void ahead(int64_t offset) const { __builtin_prefetch(x + offset); }
  template <class Part>
  PLEAT_INLINE Terms<1> at(int64_t offset, int64_t column, Part part) const {
    return {{part.load(x + offset) - part.load(shift + column)}};
  }
};
struct DeviationColumnTerms {
  const float *x, *center;
  PLEAT_INLINE void ahead(int64_t offset) const { __builtin_prefetch(x + offset); }
  template <class Part>
  PLEAT_INLINE Terms<2> at(int64_t offset, int64_t column, Part part) const {
    const Vec d = part.load(x + offset) - part.load(center + column);
    return {{d, d * d}};
  }
};

void column_statistics(const float* x, PlaneBlock block, double* mean, double* m2) {
  const double share = 1 / static_cast<double>(block.planes);
  for_each_column_tile(block, [&](int64_t first, PlaneBlock tile) {
    ColumnSums<1> shifted;
    ColumnSums<2> sums;
    float center[kColumnTile];
    const float* tile_x = x + first;
    const PlaneBlock sampled = sample(tile);
    sum_columns(ShiftedColumnTerms{tile_x, tile_x}, sampled, shifted);
    for (int64_t i = 0; i < tile.length; ++i) {
      center[i] = tile_x[i] + shifted.of[0][i] / static_cast<float>(sampled.planes);
    }
    sum_columns(DeviationColumnTerms{tile_x, center}, tile, sums);
    for (int64_t i = 0; i < tile.length; ++i) {
      finish_statistics(static_cast<double>(center[i]), static_cast<double>(sums.of[0][i]),
                        static_cast<double>(sums.of[1][i]), share, mean + first + i, m2 + first + i);
    }
  });
}

/// z, the same bits in the forward and in the backward pass.
struct ColumnNormalizer {
  Vec center, scale, shift;
  PLEAT_INLINE Vec operator()(Vec x) const { return xsimd::fma(x - center, scale, shift); }
};
template <bool kPerColumn>
struct Normalizer {
  Coefficient<kPerColumn> center, scale, shift;
  explicit PLEAT_INLINE Normalizer(Coefficients<float> c)
      : center(c.center), scale(c.scale), shift(c.shift) {}
  template <class Part>
  PLEAT_INLINE ColumnNormalizer at(int64_t i, Part part) const {
    return {center.at(i, part), scale.at(i, part), shift.at(i, part)};
  }
};

void normalize(const float* x, const float* residual, float* y, PlaneBlock block,
               Coefficients<float> coefficients, Activation activation, float alpha) {
  with_activation(activation, alpha, [&](auto act) PLEAT_LAMBDA_INLINE {
    with_flag(block.per_column, [&](auto per_column) PLEAT_LAMBDA_INLINE {
      const Normalizer<per_column.value> z(coefficients);
      with_flag(residual != nullptr, [&](auto has_residual) PLEAT_LAMBDA_INLINE {
        for_each_vector(block, [&](int64_t i, auto part) PLEAT_LAMBDA_INLINE {
          const ColumnNormalizer column = z.at(i, part);
          return [=](int64_t offset) PLEAT_LAMBDA_INLINE {
            Vec v = column(part.load(x + offset));
            if constexpr (has_residual.value) v = v + part.load(residual + offset);
            block.streamed ? part.stream(y + offset, act(v)) : part.store(y + offset, act(v));
          };
        });
      });
    });
  });
  if (block.streamed) finish_streaming();
}

// ---- backward

enum class Mask { none, relu, relu6 };

template <Mask kMask, bool kFromY, bool kPerColumn>
struct Masked {
  const float *x, *dy, *y;
  Normalizer<kPerColumn> z;
  explicit PLEAT_INLINE Masked(const MaskedGradient<float>& g)
      : x(g.x), dy(g.dy), y(g.y), z(g.coefficients) {}

  /// Asks for what is read there.
  PLEAT_INLINE void ahead(int64_t offset) const {
    __builtin_prefetch(x + offset);
    __builtin_prefetch(dy + offset);
    if constexpr (kFromY) __builtin_prefetch(y + offset);
  }
  template <class Part>
  PLEAT_INLINE Vec at(int64_t offset, const ColumnNormalizer& column, Part part) const {
    const Vec g = part.load(dy + offset), zero(0.0f);
    if constexpr (kMask == Mask::none) {
      return g;
    } else {
      Vec v;
      if constexpr (kFromY) {
        v = part.load(y + offset);
      } else {
        v = column(part.load(x + offset));
      }
      if constexpr (kMask == Mask::relu) return xsimd::select(v > zero, g, zero);
      return xsimd::select((v > zero) & (v < Vec(6.0f)), g, zero);
    }
  }
};

// So many values ahead input_gradient asks for its lines: it has more streams than hardware follows.
inline constexpr int64_t kValuesAhead = 768;

/// Calls body with the Masked that fits.
template <class Body>
PLEAT_INLINE void with_mask(const MaskedGradient<float>& g, bool per_column, const Body& body) {
  with_flag(per_column, [&](auto columns) PLEAT_LAMBDA_INLINE {
    constexpr bool kColumns = decltype(columns)::value;
    if (g.activation == Activation::none) {
      body(Masked<Mask::none, false, kColumns>(g));
    } else {
      with_flag(g.y != nullptr, [&](auto from_y) PLEAT_LAMBDA_INLINE {
        constexpr bool kFromY = decltype(from_y)::value;
        if (g.activation == Activation::relu) {
          body(Masked<Mask::relu, kFromY, kColumns>(g));
        } else {
          body(Masked<Mask::relu6, kFromY, kColumns>(g));
        }
      });
    }
  });
}

template <class M>
struct GradientTerms {  // dy', and dy' * (x - center)
  const M& masked;
  PLEAT_INLINE void ahead(int64_t offset) const { masked.ahead(offset); }
  template <class Part>
  PLEAT_INLINE Terms<2> at(int64_t offset, int64_t i, Part part) const {
    const ColumnNormalizer column = masked.z.at(i, part);
    const Vec g = masked.at(offset, column, part);
    return {{g, g * part.keep(part.load(masked.x + offset) - column.center)}};
  }
};

void gradient_sums(const MaskedGradient<float>& gradient, PlaneBlock block, double* sum_dy,
                   double* sum_dy_x) {
  if (block.per_column) {
    for_each_column_tile(block, [&](int64_t first, PlaneBlock tile) PLEAT_LAMBDA_INLINE {
      MaskedGradient<float> g = gradient;
      g.x += first, g.dy += first;
      if (g.y != nullptr) g.y += first;
      const Coefficients<float> c = gradient.coefficients;
      g.coefficients = {c.center + first, c.scale + first, c.shift + first};
      ColumnSums<2> sums;
      with_mask(g, true, [&](const auto& masked) PLEAT_LAMBDA_INLINE {
        sum_columns(GradientTerms<std::remove_cvref_t<decltype(masked)>>{masked}, tile, sums);
      });
      for (int64_t i = 0; i < tile.length; ++i) {
        sum_dy[first + i] = static_cast<double>(sums.of[0][i]);
        sum_dy_x[first + i] = static_cast<double>(sums.of[1][i]);
      }
    });
  } else {
    double sums[2];
    with_mask(gradient, false, [&](const auto& masked) PLEAT_LAMBDA_INLINE {
      sum_planes<2>(GradientTerms<std::remove_cvref_t<decltype(masked)>>{masked}, block, sums);
    });
    *sum_dy = sums[0];
    *sum_dy_x = sums[1];
  }
}

void input_gradient(const MaskedGradient<float>& gradient, const float* slope, const float* offset, float* dx,
                    float* dresidual, PlaneBlock block) {
  with_mask(gradient, block.per_column, [&](const auto& masked) PLEAT_LAMBDA_INLINE {
    constexpr bool kColumns = std::remove_cvref_t<decltype(masked.z.scale)>::kColumns;
    with_flag(slope != nullptr, [&](auto centered) PLEAT_LAMBDA_INLINE {
      const float* unused = gradient.coefficients.scale;
      const Coefficient<kColumns> b(centered.value ? slope : unused), c(centered.value ? offset : unused);
      for_each_vector(block, [&](int64_t i, auto part) PLEAT_LAMBDA_INLINE {
        const ColumnNormalizer column = masked.z.at(i, part);
        const Vec slopes = b.at(i, part), offsets = c.at(i, part);
        return [=, &masked](int64_t at) PLEAT_LAMBDA_INLINE {
          masked.ahead(at + kValuesAhead);
          const Vec g = masked.at(at, column, part);
          if (dx != nullptr) {
            __builtin_prefetch(dx + at + kValuesAhead, 1);
            Vec v = g * column.scale;
            if constexpr (centered.value) {
              v = v + xsimd::fma(part.load(masked.x + at) - column.center, slopes, offsets);
            }
            part.store(dx + at, v);
          }
          if (dresidual != nullptr) {
            __builtin_prefetch(dresidual + at + kValuesAhead, 1);
            part.store(dresidual + at, g);
          }
        };
      });
    });
  });
}

inline constexpr BatchNormKernels<float> kBatchNorm = {statistics, column_statistics, normalize,
                                                       gradient_sums, input_gradient};

}  // namespace
}  // namespace pleat::kernels
