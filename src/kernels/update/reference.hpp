#pragma once

#include "kernels/update/contract.hpp"

namespace pleat::kernels::reference {

template <class T>
void sgd(int64_t n, const SgdStep<T>& step, const T* gradient, T* parameter, T* buffer) {
  for (int64_t i = 0; i < n; ++i) {
    const T g = step.scale * gradient[i] + step.weight_decay * parameter[i];
    T direction = g;
    if (buffer != nullptr) {
      buffer[i] = step.momentum * buffer[i] + g;
      direction = step.nesterov ? g + step.momentum * buffer[i] : buffer[i];
    }
    parameter[i] -= step.rate * direction;
  }
}

template <class T>
void adam(int64_t n, const AdamStep<T>& step, const T* gradient, T* parameter, T* m, T* v) {
  for (int64_t i = 0; i < n; ++i) {
    // The decay of Adam sees the parameter itself; with AdamW weight_decay is 0 and keep is not 1.
    const T g = step.scale * gradient[i] + step.weight_decay * parameter[i];
    m[i] = step.beta1 * m[i] + step.one_minus_beta1 * g;
    v[i] = step.beta2 * v[i] + step.one_minus_beta2 * g * g;
    const T root = static_cast<T>(__builtin_sqrt(static_cast<double>(v[i])));
    parameter[i] =
        step.keep * parameter[i] - step.step_size * m[i] / (root / step.root_correction + step.eps);
  }
}

template <class T>
double sum_squares(int64_t n, const T* x) {
  double sum = 0;
  for (int64_t i = 0; i < n; ++i) sum += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return sum;
}

template <class T>
inline constexpr UpdateKernels<T> kUpdate = {sgd<T>, adam<T>, sum_squares<T>};

}  // namespace pleat::kernels::reference
