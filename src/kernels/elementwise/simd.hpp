#pragma once

#include "kernels/activation_simd.hpp"
#include "kernels/elementwise/contract.hpp"

namespace pleat::kernels {
namespace {

// The tail of a loop goes through the same vector code, so that an element gets the same bits wherever a call
// begins.

/// y[i] = f(x[i])
template <class F>
PLEAT_INLINE void map(int64_t n, const float* x, float* y, const F& f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, f(load(x + i)));
  if (i < n) store_n(y + i, f(load_n(x + i, n - i)), n - i);
}
/// y[i] = f(a[i], b[i])
template <class F>
PLEAT_INLINE void map(int64_t n, const float* a, const float* b, float* y, const F& f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, f(load(a + i), load(b + i)));
  if (i < n) store_n(y + i, f(load_n(a + i, n - i), load_n(b + i, n - i)), n - i);
}

void activate(Activation activation, float alpha, int64_t n, const float* x, float* y) {
  with_activation(activation, alpha, [&](const auto& act) PLEAT_LAMBDA_INLINE { map(n, x, y, act); });
}

void activate_gradient(Activation activation, float alpha, int64_t n, const float* saved, const float* dy,
                       float* dx) {
  const Vec zero(0.0f), one(1.0f);
  const auto gradient = [&](const auto& f) PLEAT_LAMBDA_INLINE { map(n, saved, dy, dx, f); };
  switch (activation) {
    case Activation::none:
      return gradient([](Vec, Vec d) PLEAT_LAMBDA_INLINE { return d; });
    case Activation::relu:
      return gradient([&](Vec y, Vec d) PLEAT_LAMBDA_INLINE { return xsimd::select(y <= zero, zero, d); });
    case Activation::relu6:
      return gradient([&](Vec y, Vec d) PLEAT_LAMBDA_INLINE {
        return xsimd::select((y <= zero) | (y >= Vec(6.0f)), zero, d);
      });
    case Activation::leaky_relu:
      return gradient([&](Vec y, Vec d)
                          PLEAT_LAMBDA_INLINE { return xsimd::select(y > zero, d, d * Vec(alpha)); });
    case Activation::sigmoid:
      return gradient([&](Vec y, Vec d) PLEAT_LAMBDA_INLINE { return d * (y * (one - y)); });
    case Activation::tanh:
      return gradient([&](Vec y, Vec d) PLEAT_LAMBDA_INLINE { return d * ((one - y) * (one + y)); });
    case Activation::silu:
      return gradient([&](Vec x, Vec d) PLEAT_LAMBDA_INLINE {
        const Vec s = Sigmoid()(x);
        return d * (s * (one + x * (one - s)));
      });
    case Activation::hardswish:
      return gradient([&](Vec x, Vec d) PLEAT_LAMBDA_INLINE {
        const Vec inner = d * (x * Vec(1.0f / 3.0f) + Vec(0.5f));
        return xsimd::select(x < Vec(-3.0f), zero, xsimd::select(x > Vec(3.0f), d, inner));
      });
  }
}

void add(int64_t n, const float* a, const float* b, float* y) {
  map(n, a, b, y, [](Vec u, Vec v) PLEAT_LAMBDA_INLINE { return u + v; });
}

void fill(int64_t n, float value, float* y) {
  const Vec v(value);
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, v);
  if (i < n) store_n(y + i, v, n - i);
}

using Word = xsimd::batch<uint32_t, Arch>;

/// The multiplier of each lane's element, by the reference's dropout_hash.
struct Keep {
  Word position, step = Word(static_cast<uint32_t>(kLanes)), low, high;
  IntVec last_dropped;
  Vec scale;

  Keep(const DropoutMask<float>& mask, int64_t first)
      : low(static_cast<uint32_t>(mask.seed)),
        high(static_cast<uint32_t>(mask.seed >> 32)),
        last_dropped(static_cast<int32_t>(mask.threshold) - 1),
        scale(mask.scale) {
    uint32_t lanes[kLanes];
    for (int64_t l = 0; l < kLanes; ++l) lanes[l] = static_cast<uint32_t>(first + l);
    position = Word::load_unaligned(lanes);
  }

  PLEAT_INLINE Vec next() {
    Word h = position * Word(0x9e3779b9u) + low;
    position += step;
    h = (h ^ (h >> 16)) * Word(0x7feb352du) + high;
    h = (h ^ (h >> 15)) * Word(0x846ca68bu);
    const IntVec hash = __builtin_bit_cast(IntVec, h >> 2);
    return float_of(xsimd::select(hash > last_dropped, bits_of(scale), IntVec(0)));
  }
};

void dropout(const DropoutMask<float>& mask, int64_t first, int64_t n, const float* x, float* y) {
  Keep keep(mask, first);
  map(n, x, y, [&](Vec v) PLEAT_LAMBDA_INLINE { return v * keep.next(); });
}

inline constexpr ElementwiseKernels<float> kElementwise = {
    activate, activate_gradient, add, fill, dropout,
};

}  // namespace
}  // namespace pleat::kernels
