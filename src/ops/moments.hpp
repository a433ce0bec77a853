#pragma once

#include <cstdint>

namespace pleat {

/// Of a channel's values: their mean, and the sum of their squared deviations from it.
struct Moments {
  double mean = 0, m2 = 0;
};

/// From those of any number of parts (Chan, Golub and LeVeque 1979): mean = sum n_i mean_i / n, m2 = sum m2_i
/// + n_i (mean_i - mean)^2. for_each_part(body) calls body(n_i, moments_i) in an order that is always the
/// same.
template <class ForEachPart>
Moments join_moments(const ForEachPart& for_each_part) {
  double n = 0, sum = 0;
  for_each_part([&](int64_t count, const Moments& part) {
    n += static_cast<double>(count);
    sum += static_cast<double>(count) * part.mean;
  });
  Moments all{sum / n, 0};
  for_each_part([&](int64_t count, const Moments& part) {
    const double d = part.mean - all.mean;
    all.m2 += part.m2 + static_cast<double>(count) * d * d;
  });
  return all;
}

/// As one op gives them to another, (3, C): mean = high + low.
enum MomentRow { kMeanHigh, kMeanLow, kM2, kMomentRows };

template <class T>
Moments read_moments(const T* rows, int64_t channels, int64_t c) {
  const auto row = [&](MomentRow i) { return static_cast<double>(rows[i * channels + c]); };
  return {row(kMeanHigh) + row(kMeanLow), row(kM2)};
}
template <class T>
void write_moments(const Moments& moments, T* rows, int64_t channels, int64_t c) {
  const T high = static_cast<T>(moments.mean);
  rows[kMeanHigh * channels + c] = high;
  rows[kMeanLow * channels + c] = static_cast<T>(moments.mean - static_cast<double>(high));
  rows[kM2 * channels + c] = static_cast<T>(moments.m2);
}

}  // namespace pleat
