// y = a sum, product, extreme ... of x over some of its dimensions; sums of floats in double, in an order
// that is fixed by x's shape. Of no elements a sum is 0, a product 1, a mean NaN; a maximum is refused.

#include "base/format.hpp"
#include "ops/context.hpp"
#include "ops/known.hpp"
#include "ops/reduce_layout.hpp"
#include "ops/reducers.hpp"

namespace pleat {
namespace {

using Kind = ops::ReduceKind;

constexpr const char* kNames[] = {"reduce mean",        "reduce sum",       "reduce max", "reduce min",
                                  "reduce prod",        "reduce l1",        "reduce l2",  "reduce log_sum",
                                  "reduce log_sum_exp", "reduce sum_square"};

const ValueType* axes_of(const InputTypes& in) {
  return in.size() > 1 ? in[1] : nullptr;
}

void check_type(Kind kind, DType x) {
  const bool is_float = x == DType::f32 || x == DType::f64;
  const bool only_float = kind == Kind::l2 || kind == Kind::log_sum || kind == Kind::log_sum_exp;
  const bool is_choice = kind == Kind::max || kind == Kind::min;
  if ((only_float && !is_float) || (x == DType::boolean && !is_choice)) {
    fail(kNames[static_cast<size_t>(kind)], ": cannot be of ", name_of(x));
  }
}

// A state as the result, in S.
template <class S>
S finished(Kind kind, S state, int64_t count) {
  switch (kind) {
    case Kind::mean:
      return Divide()(state, static_cast<S>(count));
    case Kind::l2:
      return static_cast<S>(std::sqrt(state));
    case Kind::log_sum:
      return static_cast<S>(std::log(state));
    default:
      return state;
  }
}

struct ReduceOp {
  using Attributes = ops::Reduce;
  static constexpr std::string_view name = "reduce";

  static std::vector<int> shape_inputs(const Attributes&) { return {1}; }

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const char* op = kNames[static_cast<size_t>(attributes.kind)];
    const Shape& x = in[0]->shape;
    check_type(attributes.kind, in[0]->dtype);
    check_rank(x, op);
    if (axes_of(in) != nullptr && !known_axes(axes_of(in), x.rank(), op)) {
      return {{in[0]->dtype, unknown_shape(attributes, in)}};
    }
    const AxisSet reduced = axis_set(axes_of(in), x.rank(), attributes.keep_all_if_empty);
    Shape y;
    int64_t count = 1;
    for (int i = 0; i < x.rank(); ++i) {
      const bool goes = reduced[static_cast<size_t>(i)];
      if (goes) count *= x[i];
      if (!goes || attributes.keep_dims) y.push_back(goes ? 1 : x[i]);
    }
    if (count == 0 && (attributes.kind == Kind::max || attributes.kind == Kind::min)) {
      fail(op, ": of no elements, in ", x.str());
    }
    return {{in[0]->dtype, y}};
  }

  // While the axes are not known: all that there is to say.
  static Shape unknown_shape(const Attributes& attributes, const InputTypes& in) {
    const int64_t axes = in[1]->shape.numel();
    const int rank = in[0]->shape.rank();
    if (!attributes.keep_dims && (axes < 1 || axes > rank)) {
      fail(kNames[static_cast<size_t>(attributes.kind)],
           ": needs a known number of axes, up to the input's rank ", rank, ", got axes ",
           in[1]->shape.str());
    }
    const int64_t kept = attributes.keep_dims ? rank : rank - axes;
    return Shape(std::vector<int64_t>(static_cast<size_t>(kept), kDynamic));
  }

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    const Shape& x = in[0]->shape;
    const ReduceLayout layout(x, axis_set(axes_of(in), x.rank(), attributes.keep_all_if_empty));
    size_t bytes = 0;
    const auto measure = [&]<class R>(const R&) { bytes = sizeof(typename R::State); };
    if (compute == DType::f64) {
      with_reducer<double>(attributes.kind, measure);
    } else {
      with_reducer<float>(attributes.kind, measure);
    }
    // Whole numbers go by themselves, at most in i64.
    return {.shared = static_cast<size_t>(layout.states()) * std::max(bytes, sizeof(int64_t))};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    with_element_type<T>(context.in_dtype(0), [&]<class U>(U*) {
      with_reducer<U>(attributes.kind, [&](const auto& reducer) { reduce<U>(attributes, context, reducer); });
    });
  }

  template <class U, class T, class R>
  static void reduce(const Attributes& attributes, const Context<T>& context, const R& reducer) {
    const Shape& x = context.in_shape(0);
    const ReduceLayout layout(x, axis_set(context.in_type(1), x.rank(), attributes.keep_all_if_empty));
    auto* states = context.template workspace<typename R::State>();
    layout.reduce(reducer, context.template in<U>(0), states);
    U* y = context.template out<U>(0);
    using S = Sum<U>;
    parallel_for(layout.outputs(), grain_for(4), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) {
        y[o] = static_cast<U>(finished(attributes.kind, static_cast<S>(states[o]), layout.count()));
      }
    });
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    const ops::ReduceGradient rule{attributes.kind, attributes.keep_dims, attributes.keep_all_if_empty};
    scope.set_input_gradient(
        0, scope.emit(rule, {scope.input(0), scope.output(0), scope.output_gradient(0), scope.input(1)})[0]);
  }
};

}  // namespace

PLEAT_OP(ReduceOp)

}  // namespace pleat
