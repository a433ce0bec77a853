// dx, of x's shape, from y = reduce(x) and dy. Where several elements are the maximum they share its
// gradient.

#include "base/format.hpp"
#include "ops/context.hpp"
#include "ops/reduce_layout.hpp"
#include "ops/reducers.hpp"

namespace pleat {
namespace {

using Kind = ops::ReduceKind;

enum Input { kX, kY, kDy, kAxes };

/// The extreme and how many elements it is.
template <class U, class F>
struct Ties {
  struct State {
    U best;
    int64_t count;
  };
  static constexpr int64_t kCost = 2;
  State start() const { return {Extreme<U, F>().start(), 0}; }
  void add(State& state, U x) const { merge(state, {x, 1}); }
  void merge(State& state, const State& other) const {
    if (other.best == state.best) {
      state.count += other.count;
    } else if (F()(other.best, state.best) == other.best) {
      state = other;
    }
  }
};

/// The product of what is not 0, and how many are.
template <class U>
struct NonZeroProduct {
  struct State {
    double product;
    int64_t zeros;
  };
  static constexpr int64_t kCost = 2;
  State start() const { return {1, 0}; }
  void add(State& state, U x) const {
    if (x == 0) {
      ++state.zeros;
    } else {
      state.product *= static_cast<double>(x);
    }
  }
  void merge(State& state, const State& other) const {
    state.product *= other.product;
    state.zeros += other.zeros;
  }
};

struct ReduceGradientOp {
  using Attributes = ops::ReduceGradient;
  static constexpr std::string_view name = "reduce_gradient";

  static AxisSet reduced(const Attributes& attributes, const Shape& x, const ValueType* axes) {
    return axis_set(axes, x.rank(), attributes.keep_all_if_empty);
  }

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    return {{in[kX]->dtype, in[kX]->shape}};
  }

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType) {
    if (attributes.kind != Kind::max && attributes.kind != Kind::min && attributes.kind != Kind::prod) {
      return {};
    }
    const Shape& x = in[kX]->shape;
    const ReduceLayout layout(x, reduced(attributes, x, in[kAxes]));
    static_assert(sizeof(Ties<double, Least>::State) == sizeof(NonZeroProduct<double>::State));
    return {.shared = static_cast<size_t>(layout.states()) * sizeof(NonZeroProduct<double>::State)};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const AxisSet axes = reduced(attributes, context.in_shape(kX), context.in_type(kAxes));
    const ReduceLayout layout(context.in_shape(kX), axes);
    const T *x = context.in(kX), *y = context.in(kY), *dy = context.in(kDy);
    const auto count = static_cast<T>(layout.count());
    // f: of an element of x and the number of the output that it went into.
    const auto with = [&](const auto& f) { write(context, axes, f); };
    const auto with_states = [&](const auto& reducer, const auto& f) {
      auto* states = context.template workspace<decltype(reducer.start())>();
      layout.reduce(reducer, x, states);
      with([&](T at, int64_t o) { return f(at, states[o], dy[o]); });
    };
    const auto to_extremes = [](T at, const auto& ties, T g) {
      return at == ties.best ? g / static_cast<T>(ties.count) : T(0);
    };
    switch (attributes.kind) {
      case Kind::mean:
        return with([=](T, int64_t o) { return dy[o] / count; });
      case Kind::sum:
        return with([=](T, int64_t o) { return dy[o]; });
      case Kind::l1:
        return with([=](T at, int64_t o) { return at > 0 ? dy[o] : at < 0 ? -dy[o] : T(0); });
      case Kind::l2:
        return with([=](T at, int64_t o) { return y[o] == 0 ? T(0) : dy[o] * (at / y[o]); });
      case Kind::sum_square:
        return with([=](T at, int64_t o) { return 2 * at * dy[o]; });
      case Kind::log_sum:
        return with([=](T, int64_t o) { return dy[o] * std::exp(-y[o]); });
      case Kind::log_sum_exp:
        return with([=](T at, int64_t o) { return dy[o] * std::exp(at - y[o]); });
      case Kind::max:
        return with_states(Ties<T, Greatest>(), to_extremes);
      case Kind::min:
        return with_states(Ties<T, Least>(), to_extremes);
      case Kind::prod:
        return with_states(NonZeroProduct<T>(), [](T at, const auto& of, T g) {
          const T product = g * static_cast<T>(of.product);
          if (of.zeros == 0) return product / at;
          return of.zeros == 1 && at == 0 ? product : T(0);
        });
    }
  }

  // dx[i] = f(x[i], the number of the output that x[i] went into)
  template <class T, class F>
  static void write(const Context<T>& context, const AxisSet& axes, const F& f) {
    const Shape& shape = context.in_shape(kX);
    const BroadcastRows<1> rows(
        shape, [&](size_t, int i) { return axes[static_cast<size_t>(i)] ? int64_t{1} : shape[i]; });
    const int64_t step = rows.step(0);
    const T* x = context.in(kX);
    T* dx = context.out(0);
    parallel_for(shape.numel(), grain_for(4), [&](int64_t begin, int64_t end) {
      rows.for_each(begin, end, [&](int64_t at, int64_t n, const auto& from) {
        for (int64_t i = 0; i < n; ++i) dx[at + i] = f(x[at + i], from[0] + i * step);
      });
    });
  }
};

}  // namespace

PLEAT_OP(ReduceGradientOp)

}  // namespace pleat
