#pragma once

#include "kernels/exp_simd.hpp"
#include "kernels/softmax/contract.hpp"
#include "kernels/softmax/few_columns.hpp"
#include "kernels/sweep.hpp"

namespace pleat::kernels {
namespace {
namespace softmax {

constexpr float kInfinity = __builtin_inff();

inline float largest(int64_t n, const float* x) {
  Vec most(-kInfinity);
  sweep(n, [&](int64_t j, auto vec) { most = xsimd::max(most, vec.pad(vec.load(x + j), -kInfinity)); });
  alignas(Vec) float lanes[kLanes];
  most.store_aligned(lanes);
  float result = lanes[0];
  for (int64_t i = 1; i < kLanes; ++i) result = lanes[i] > result ? lanes[i] : result;
  return result;
}

// A NaN need not survive the maximum: it comes back in exp(NaN - maximum).
void softmax(int64_t rows, int64_t n, const float* x, float* y) {
  if (n <= kFewColumns) return softmax_few(rows, n, x, y);
  for (int64_t i = 0; i < rows; ++i, x += n, y += n) {
    const Vec most(largest(n, x));
    Vec sum(0.0f);
    sweep(n, [&](int64_t j, auto vec) {
      const Vec e = exp(vec.pad(vec.load(x + j), -kInfinity) - most);
      sum += e;
      vec.store(y + j, e);
    });
    const Vec scale(1 / sum_lanes(sum));
    sweep(n, [&](int64_t j, auto vec) { vec.store(y + j, vec.load(y + j) * scale); });
  }
}

void log_softmax(int64_t rows, int64_t n, const float* x, float* y) {
  if (n <= kFewColumns) return log_softmax_few(rows, n, x, y);
  for (int64_t i = 0; i < rows; ++i, x += n, y += n) {
    const Vec most(largest(n, x));
    Vec sum(0.0f);
    sweep(n, [&](int64_t j, auto vec) { sum += exp(vec.pad(vec.load(x + j), -kInfinity) - most); });
    const Vec log_sum(static_cast<float>(__builtin_log(static_cast<double>(sum_lanes(sum)))));
    sweep(n, [&](int64_t j, auto vec) { vec.store(y + j, (vec.load(x + j) - most) - log_sum); });
  }
}

void softmax_gradient(int64_t rows, int64_t n, const float* y, const float* dy, float* dx) {
  for (int64_t i = 0; i < rows; ++i, y += n, dy += n, dx += n) {
    Vec products(0.0f);
    sweep(n, [&](int64_t j, auto vec) { products += vec.load(y + j) * vec.load(dy + j); });
    const Vec dot(sum_lanes(products));
    sweep(n, [&](int64_t j, auto vec) { vec.store(dx + j, vec.load(y + j) * (vec.load(dy + j) - dot)); });
  }
}

void log_softmax_gradient(int64_t rows, int64_t n, const float* y, const float* dy, float* dx) {
  for (int64_t i = 0; i < rows; ++i, y += n, dy += n, dx += n) {
    Vec gradients(0.0f);
    sweep(n, [&](int64_t j, auto vec) { gradients += vec.load(dy + j); });
    const Vec sum(sum_lanes(gradients));
    sweep(n, [&](int64_t j, auto vec) { vec.store(dx + j, vec.load(dy + j) - exp(vec.load(y + j)) * sum); });
  }
}

double cross_entropy(int64_t rows, int64_t n, double smoothing, const float* y, const int64_t* label) {
  double loss = 0;
  for (int64_t i = 0; i < rows; ++i, y += n) {
    loss += (smoothing - 1) * static_cast<double>(y[label[i]]);
    if (smoothing == 0) continue;  // 0 * -infinity would not be 0
    Vec sum(0.0f);
    sweep(n, [&](int64_t j, auto vec) { sum += vec.load(y + j); });
    loss -= smoothing / static_cast<double>(n) * static_cast<double>(sum_lanes(sum));
  }
  return loss;
}

void cross_entropy_gradient(int64_t rows, int64_t n, double smoothing, double scale, const float* y,
                            const int64_t* label, float* dx) {
  if (n <= kFewColumns) return cross_entropy_gradient_few(rows, n, smoothing, scale, y, label, dx);
  const Vec factor(static_cast<float>(scale)), spread(static_cast<float>(smoothing / static_cast<double>(n)));
  for (int64_t i = 0; i < rows; ++i, y += n, dx += n) {
    const double at_label = __builtin_exp(static_cast<double>(y[label[i]]));
    sweep(n, [&](int64_t j, auto vec) { vec.store(dx + j, factor * (exp(vec.load(y + j)) - spread)); });
    // 1 - exp(y) of a sure prediction cancels: in double.
    dx[label[i]] =
        static_cast<float>(scale * (at_label - smoothing / static_cast<double>(n) - (1 - smoothing)));
  }
}

// Eight sums, so that the compiler keeps them in double vectors.
double squared_error(int64_t n, const float* y, const float* target) {
  double sums[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int64_t k = 0; k < 8; ++k) {
      const double difference = static_cast<double>(y[i + k]) - static_cast<double>(target[i + k]);
      sums[k] += difference * difference;
    }
  }
  for (int64_t k = 0; i < n; ++i, ++k) {
    const double difference = static_cast<double>(y[i]) - static_cast<double>(target[i]);
    sums[k] += difference * difference;
  }
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

void squared_error_gradient(int64_t n, double scale, const float* y, const float* target, float* dy) {
  const Vec factor(static_cast<float>(scale));
  sweep(n,
        [&](int64_t i, auto vec) { vec.store(dy + i, factor * (vec.load(y + i) - vec.load(target + i))); });
}

}  // namespace softmax

inline constexpr SoftmaxKernels<float> kSoftmax = {
    softmax::softmax,          softmax::log_softmax,
    softmax::softmax_gradient, softmax::log_softmax_gradient,
    softmax::cross_entropy,    softmax::cross_entropy_gradient,
    softmax::squared_error,    softmax::squared_error_gradient,
};

}  // namespace
}  // namespace pleat::kernels
