#pragma once

#include "kernels/sweep.hpp"
#include "kernels/update/contract.hpp"

namespace pleat::kernels {
namespace {
namespace update {

void sgd(int64_t n, const SgdStep<float>& step, const float* gradient, float* parameter, float* buffer) {
  const Vec rate(step.rate), scale(step.scale), decay(step.weight_decay), momentum(step.momentum);
  const auto decayed = [&](int64_t i, auto vec) {
    return xsimd::fma(decay, vec.load(parameter + i), scale * vec.load(gradient + i));
  };
  const auto descend = [&](int64_t i, auto vec, Vec direction) {
    vec.store(parameter + i, xsimd::fnma(rate, direction, vec.load(parameter + i)));
  };
  if (buffer == nullptr) {
    sweep(n, [&](int64_t i, auto vec) { descend(i, vec, decayed(i, vec)); });
  } else if (step.nesterov) {
    sweep(n, [&](int64_t i, auto vec) {
      const Vec g = decayed(i, vec), b = xsimd::fma(momentum, vec.load(buffer + i), g);
      vec.store(buffer + i, b);
      descend(i, vec, xsimd::fma(momentum, b, g));
    });
  } else {
    sweep(n, [&](int64_t i, auto vec) {
      const Vec b = xsimd::fma(momentum, vec.load(buffer + i), decayed(i, vec));
      vec.store(buffer + i, b);
      descend(i, vec, b);
    });
  }
}

void adam(int64_t n, const AdamStep<float>& step, const float* gradient, float* parameter, float* m,
          float* v) {
  const Vec size(step.step_size), scale(step.scale), decay(step.weight_decay), keep(step.keep);
  const Vec beta1(step.beta1), rest1(step.one_minus_beta1), beta2(step.beta2), rest2(step.one_minus_beta2);
  const Vec root_correction(step.root_correction), eps(step.eps);
  sweep(n, [&](int64_t i, auto vec) {
    const Vec p = vec.load(parameter + i);
    const Vec g = xsimd::fma(decay, p, scale * vec.load(gradient + i));
    const Vec first = xsimd::fma(beta1, vec.load(m + i), rest1 * g);
    const Vec second = xsimd::fma(beta2, vec.load(v + i), rest2 * g * g);
    vec.store(m + i, first);
    vec.store(v + i, second);
    const Vec change = size * first / (xsimd::sqrt(second) / root_correction + eps);
    vec.store(parameter + i, xsimd::fms(keep, p, change));
  });
}

// Eight sums, so that the compiler keeps them in double vectors.
double sum_squares(int64_t n, const float* x) {
  double sums[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int64_t k = 0; k < 8; ++k) {
      sums[k] += static_cast<double>(x[i + k]) * static_cast<double>(x[i + k]);
    }
  }
  for (int64_t k = 0; i < n; ++i, ++k) sums[k] += static_cast<double>(x[i]) * static_cast<double>(x[i]);
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

}  // namespace update

inline constexpr UpdateKernels<float> kUpdate = {update::sgd, update::adam, update::sum_squares};

}  // namespace
}  // namespace pleat::kernels
