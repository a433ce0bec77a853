#pragma once

#include <cmath>

#include "base/format.hpp"
#include "ops/context.hpp"

namespace pleat {

/// What the optimizers' updates have in common.
struct Update {
  // Elements that one thread takes at least: a multiple of 64, as the kernels ask for.
  static constexpr int64_t kBlock = 4096;

  /// Whether a gradient, whose sizes may still be open, can be that parameter's.
  static bool like(const ValueType& gradient, const ValueType& parameter) {
    bool same = gradient.dtype == parameter.dtype && gradient.shape.rank() == parameter.shape.rank();
    for (int d = 0; same && d < parameter.shape.rank(); ++d) {
      same = gradient.shape[d] == kDynamic || gradient.shape[d] == parameter.shape[d];
    }
    return same;
  }

  /// Error where one of the first `count` inputs is not like the parameter, input 0.
  static void check_like_parameter(std::string_view op, const InputTypes& in, size_t count) {
    for (size_t i = 1; i < count; ++i) {
      if (in[i] != nullptr && !like(*in[i], *in[0])) {
        fail(op, ": the parameter is ", in[0]->shape.str(), ", input ", i, " is ", in[i]->shape.str());
      }
    }
  }

  /// Whether the loss and the clip factor are numbers that a step may be made by.
  template <class T>
  static bool sound(const Context<T>& context, int loss, int clip) {
    return std::isfinite(*context.in(loss)) && (!context.has(clip) || std::isfinite(context.in(clip)[0]));
  }

  template <class T>
  static T clip_factor(const Context<T>& context, int clip) {
    return context.has(clip) ? context.in(clip)[1] : T(1);
  }

  /// body(begin, size) over blocks of n elements.
  template <class Body>
  static void over_blocks(int64_t n, const Body& body) {
    parallel_for((n + kBlock - 1) / kBlock, grain_for(kBlock), [&](int64_t first, int64_t last) {
      const int64_t begin = first * kBlock, end = last * kBlock < n ? last * kBlock : n;
      body(begin, end - begin);
    });
  }
};

}  // namespace pleat
