#pragma once

#include <cmath>
#include <limits>

#include "ops/attributes.hpp"
#include "ops/binary_functions.hpp"

namespace pleat {

// What ReduceLayout::reduce runs: how elements U go into a state, and two states into one. Floats are summed
// in double, whole numbers in i64, which wraps around.

template <class U>
using Sum = std::conditional_t<is_whole<U>, int64_t, double>;

/// The sum of f(x), where f maps a Sum<U>.
template <class U, class F>
struct SumOf {
  using State = Sum<U>;
  static constexpr int64_t kCost = 1;
  State start() const { return 0; }
  void add(State& sum, U x) const { sum = Plus()(sum, F()(static_cast<State>(x))); }
  void merge(State& sum, State other) const { sum = Plus()(sum, other); }
};
struct Same {
  template <class S>
  S operator()(S x) const {
    return x;
  }
};
struct Magnitude {
  template <class S>
  S operator()(S x) const {
    return x < 0 ? Minus()(S(0), x) : x;
  }
};
struct Square {
  template <class S>
  S operator()(S x) const {
    return Times()(x, x);
  }
};

template <class U>
struct ProductOf {
  using State = Sum<U>;
  static constexpr int64_t kCost = 1;
  State start() const { return 1; }
  void add(State& product, U x) const { product = Times()(product, static_cast<State>(x)); }
  void merge(State& product, State other) const { product = Times()(product, other); }
};

/// F chooses one of two: Least or Greatest.
template <class U, class F>
struct Extreme {
  using State = U;
  static constexpr int64_t kCost = 1;
  State start() const {
    using Limits = std::numeric_limits<U>;
    const U most = Limits::has_infinity ? Limits::infinity() : Limits::max();
    const U least = Limits::has_infinity ? -Limits::infinity() : Limits::lowest();
    return F()(most, least) == most ? least : most;
  }
  void add(State& best, U x) const { best = F()(x, best); }
  void merge(State& best, State other) const { best = F()(other, best); }
};

/// log(sum of e^x) as largest + log(sum of e^(x - largest)), which does not overflow.
template <class U>
struct LogSumExp {
  struct State {
    double largest, sum;
    operator double() const { return largest + std::log(sum); }
  };
  static constexpr int64_t kCost = 16;
  State start() const { return {-std::numeric_limits<double>::infinity(), 0}; }
  void add(State& state, U x) const { merge(state, {static_cast<double>(x), 1}); }
  void merge(State& state, const State& other) const {
    if (other.largest > state.largest) {
      state = {other.largest, state.sum * std::exp(state.largest - other.largest) + other.sum};
    } else {
      // Infinities of one sign: their difference counts as 0.
      const bool level = other.largest == state.largest;
      state.sum += other.sum * (level ? 1 : std::exp(other.largest - state.largest));
    }
  }
};

/// Calls body with the reducer of that kind.
template <class U, class Body>
void with_reducer(ops::ReduceKind kind, const Body& body) {
  using Kind = ops::ReduceKind;
  switch (kind) {
    case Kind::mean:
    case Kind::sum:
    case Kind::log_sum:
      return body(SumOf<U, Same>());
    case Kind::l1:
      return body(SumOf<U, Magnitude>());
    case Kind::l2:
    case Kind::sum_square:
      return body(SumOf<U, Square>());
    case Kind::prod:
      return body(ProductOf<U>());
    case Kind::max:
      return body(Extreme<U, Greatest>());
    case Kind::min:
      return body(Extreme<U, Least>());
    case Kind::log_sum_exp:
      return body(LogSumExp<U>());
  }
}

}  // namespace pleat
