#pragma once

#include <cmath>

#include "kernels/activation.hpp"

namespace pleat::kernels::reference {

/// act(x), the scalar twin of activation_simd.hpp. NaN stays NaN.
template <class T>
T activate(Activation activation, T x, T alpha) {
  const auto relu6 = [](T v) { return v < T(0) ? T(0) : v > T(6) ? T(6) : v; };
  switch (activation) {
    case Activation::none:
      return x;
    case Activation::relu:
      return x < T(0) ? T(0) : x;
    case Activation::relu6:
      return relu6(x);
    case Activation::leaky_relu:
      return x < T(0) ? alpha * x : x;
    case Activation::sigmoid:
      return T(1) / (T(1) + std::exp(-x));
    case Activation::silu:
      return x / (T(1) + std::exp(-x));
    case Activation::hardswish:
      return x * relu6(x + T(3)) / T(6);
    case Activation::tanh:
      return std::tanh(x);
  }
  return x;
}

}  // namespace pleat::kernels::reference
