#pragma once

#include "kernels/activation.hpp"
#include "kernels/exp_simd.hpp"

namespace pleat::kernels {
namespace {

// Activations of a vector, each a type with Vec operator()(Vec). NaN stays NaN: bounds are the first operand
// of min and max, because x86 returns the second where one is NaN.

struct Identity {
  PLEAT_INLINE Vec operator()(Vec x) const { return x; }
};
struct Relu {
  PLEAT_INLINE Vec operator()(Vec x) const { return xsimd::max(Vec(0.0f), x); }
};
struct Relu6 {
  PLEAT_INLINE Vec operator()(Vec x) const { return xsimd::min(Vec(6.0f), xsimd::max(Vec(0.0f), x)); }
};
struct LeakyRelu {
  Vec alpha;
  PLEAT_INLINE Vec operator()(Vec x) const { return xsimd::select(x < Vec(0.0f), alpha * x, x); }
};
struct Sigmoid {
  PLEAT_INLINE Vec operator()(Vec x) const { return Vec(1.0f) / one_plus_exp_minus(x); }
};
struct Silu {
  PLEAT_INLINE Vec operator()(Vec x) const { return x / one_plus_exp_minus(x); }
};
struct Hardswish {
  PLEAT_INLINE Vec operator()(Vec x) const { return x * Relu6()(x + Vec(3.0f)) * Vec(1.0f / 6.0f); }
};
/// 1 - 2 / (e^2x + 1), and an odd polynomial near 0, where that cancels.
struct Tanh {
  PLEAT_INLINE Vec operator()(Vec x) const {
    const Vec z = x * x;
    const Vec q =
        polynomial(z, -5.704990410e-3f, 2.063909066e-2f, -5.373971628e-2f, 1.333144222e-1f, -3.333328194e-1f);
    const Vec small = xsimd::fma(q * z, x, x);
    const Vec large = Vec(1.0f) - Vec(2.0f) / one_plus_exp_minus(x * Vec(-2.0f));
    return xsimd::select(z < Vec(0.390625f), small, large);
  }
};

/// Calls body with the activation's type, chosen once outside the loops that use it.
template <class Body>
PLEAT_INLINE void with_activation(Activation activation, float alpha, const Body& body) {
  switch (activation) {
    case Activation::none:
      return body(Identity{});
    case Activation::relu:
      return body(Relu{});
    case Activation::relu6:
      return body(Relu6{});
    case Activation::leaky_relu:
      return body(LeakyRelu{Vec(alpha)});
    case Activation::sigmoid:
      return body(Sigmoid{});
    case Activation::silu:
      return body(Silu{});
    case Activation::hardswish:
      return body(Hardswish{});
    case Activation::tanh:
      return body(Tanh{});
  }
}

}  // namespace
}  // namespace pleat::kernels
