#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "ops/attributes.hpp"
#include "ops/saturate.hpp"

namespace pleat {

// The functions of two numbers that Binary applies. Whole numbers wrap around where a result does not fit.

template <class U>
inline constexpr bool is_whole = std::is_integral_v<U>;

/// f(a, b), of whole numbers without overflow's undefined behaviour.
template <class U, class F>
U wrapping(U a, U b, const F& f) {
  if constexpr (is_whole<U>) {
    using Bits = std::make_unsigned_t<U>;
    return static_cast<U>(f(static_cast<Bits>(a), static_cast<Bits>(b)));
  } else {
    return f(a, b);
  }
}

struct Plus {
  template <class U>
  U operator()(U a, U b) const {
    return wrapping(a, b, [](auto u, auto v) { return u + v; });
  }
};
struct Minus {
  template <class U>
  U operator()(U a, U b) const {
    return wrapping(a, b, [](auto u, auto v) { return u - v; });
  }
};
struct Times {
  template <class U>
  U operator()(U a, U b) const {
    return wrapping(a, b, [](auto u, auto v) { return u * v; });
  }
};
/// Whole numbers: truncates; 0 where b is 0.
struct Divide {
  template <class U>
  U operator()(U a, U b) const {
    if constexpr (is_whole<U>) {
      if (b == 0) return 0;
      if (b == -1) return Minus()(U(0), a);  // the least number has no opposite
    }
    return a / b;
  }
};
/// C's remainder, of a's sign; whole numbers: 0 where b is 0.
struct Remainder {
  template <class U>
  U operator()(U a, U b) const {
    if constexpr (is_whole<U>) {
      return b == 0 || b == -1 ? U(0) : static_cast<U>(a % b);
    } else {
      return std::fmod(a, b);
    }
  }
};
/// Of b's sign.
struct Modulo {
  template <class U>
  U operator()(U a, U b) const {
    const U r = Remainder()(a, b);
    return r != 0 && (r < 0) != (b < 0) ? r + b : r;
  }
};
/// NaN where one of them is.
struct Least {
  template <class U>
  U operator()(U a, U b) const {
    return a < b || a != a ? a : b;
  }
};
struct Greatest {
  template <class U>
  U operator()(U a, U b) const {
    return a > b || a != a ? a : b;
  }
};
struct ParametricRelu {
  template <class U>
  U operator()(U a, U b) const {
    return a < 0 ? Times()(a, b) : a;
  }
};

/// a^b of a's type. Whole numbers of negative powers truncate: 0 but for 1 and -1.
struct Power {
  template <class A, class B>
  A operator()(A a, B b) const {
    if constexpr (is_whole<A> && is_whole<B>) {
      if (b < 0) return a == 1 || (a == -1 && b % 2 == 0) ? A(1) : a == -1 ? A(-1) : A(0);
      A result = 1;
      for (; b > 0; b /= 2, a = Times()(a, a)) {
        if (b % 2 != 0) result = Times()(result, a);
      }
      return result;
    } else if constexpr (is_whole<A>) {
      return saturated<A>(std::pow(static_cast<double>(a), static_cast<double>(b)));
    } else {
      return b == 2 ? a * a : std::pow(a, static_cast<A>(b));
    }
  }
};

struct Equal {
  template <class U>
  bool operator()(U a, U b) const {
    return a == b;
  }
};
struct Less {
  template <class U>
  bool operator()(U a, U b) const {
    return a < b;
  }
};
struct LessEqual {
  template <class U>
  bool operator()(U a, U b) const {
    return a <= b;
  }
};
struct And {
  bool operator()(bool a, bool b) const { return a && b; }
};
struct Or {
  bool operator()(bool a, bool b) const { return a || b; }
};
struct Xor {
  bool operator()(bool a, bool b) const { return a != b; }
};

/// F with its operands exchanged.
template <class F>
struct Exchanged {
  template <class U>
  bool operator()(U a, U b) const {
    return F()(b, a);
  }
};

}  // namespace pleat
