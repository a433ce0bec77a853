#pragma once

#include <cstdint>

namespace pleat::kernels {

/// The numbers of an SGD step: g = scale * gradient + weight_decay * parameter.
template <class T>
struct SgdStep {
  T rate, scale, weight_decay, momentum;
  bool nesterov;
};

/// The numbers of an Adam step: g = scale * gradient + weight_decay * parameter.
template <class T>
struct AdamStep {
  T step_size;  ///< rate / (1 - beta1^step)
  T scale, weight_decay;
  T keep;  ///< what AdamW multiplies the parameter by first: 1 - rate * weight decay
  T beta1, one_minus_beta1, beta2, one_minus_beta2;
  T root_correction;  ///< sqrt(1 - beta2^step)
  T eps;
};

/// Element i's result depends on element i only, and on whether it is in the last vector of the n: cut arrays
/// at multiples of 64 elements.
template <class T>
struct UpdateKernels {
  /// buffer = momentum * buffer + g; parameter -= rate * (nesterov ? g + momentum * buffer : buffer).
  /// A null buffer: parameter -= rate * g.
  void (*sgd)(int64_t n, const SgdStep<T>& step, const T* gradient, T* parameter, T* buffer);
  /// m = beta1 * m + one_minus_beta1 * g; v = beta2 * v + one_minus_beta2 * g^2;
  /// parameter = keep * parameter - step_size * m / (sqrt(v) / root_correction + eps).
  void (*adam)(int64_t n, const AdamStep<T>& step, const T* gradient, T* parameter, T* m, T* v);
  /// sum_i x[i]^2, in double.
  double (*sum_squares)(int64_t n, const T* x);
};

}  // namespace pleat::kernels
