// y = f(a, b), elements that stand at one place after both are broadcast.

#include "base/format.hpp"
#include "base/independent.hpp"
#include "ops/binary_functions.hpp"
#include "ops/broadcast.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

using Kind = ops::BinaryKind;

constexpr const char* kNames[] = {"add",        "sub",     "mul",           "div",   "pow",   "min",
                                  "max",        "mod",     "fmod",          "prelu", "equal", "less",
                                  "less_equal", "greater", "greater_equal", "and",   "or",    "xor"};

bool is_logic(Kind kind) {
  return kind >= Kind::logical_and;
}
bool gives_boolean(Kind kind) {
  return kind >= Kind::equal;
}
// How many times as long as an addition one result takes.
int64_t cost_of(Kind kind) {
  return kind == Kind::pow || kind == Kind::mod || kind == Kind::fmod ? 16 : 1;
}

// The operands, of whatever type: whole numbers and booleans are the same in float and in double runs, and
// compile once.
struct Operands {
  const void *a, *b;
  void* y;
  const Shape &a_shape, &b_shape, &y_shape;
};

template <class A, class B, class Y, class F>
void apply(const Operands& operands, int64_t cost, const F& f) {
  const BroadcastRows<2> rows(operands.y_shape, {&operands.a_shape, &operands.b_shape});
  const A* const a0 = static_cast<const A*>(operands.a);
  const B* const b0 = static_cast<const B*>(operands.b);
  Y* const y0 = static_cast<Y*>(operands.y);
  parallel_for(operands.y_shape.numel(), kTaskElements / cost, [&](int64_t begin, int64_t end) {
    rows.for_each(begin, end, [&](int64_t at, int64_t n, const auto& from) {
      const A* a = a0 + from[0];
      const B* b = b0 + from[1];
      Y* y = y0 + at;
      if (rows.step(0) == 0) {
        const A value = *a;
        PLEAT_INDEPENDENT
        for (int64_t i = 0; i < n; ++i) y[i] = f(value, b[i]);
      } else if (rows.step(1) == 0) {
        const B value = *b;
        PLEAT_INDEPENDENT
        for (int64_t i = 0; i < n; ++i) y[i] = f(a[i], value);
      } else {
        PLEAT_INDEPENDENT
        for (int64_t i = 0; i < n; ++i) y[i] = f(a[i], b[i]);
      }
    });
  });
}

template <class U>
void calculate(Kind kind, const Operands& operands) {
  const auto with = [&](const auto& f) { apply<U, U, U>(operands, cost_of(kind), f); };
  switch (kind) {
    case Kind::add:
      return with(Plus());
    case Kind::sub:
      return with(Minus());
    case Kind::mul:
      return with(Times());
    case Kind::div:
      return with(Divide());
    case Kind::min:
      return with(Least());
    case Kind::max:
      return with(Greatest());
    case Kind::mod:
      return with(Modulo());
    case Kind::fmod:
      return with(Remainder());
    default:
      return with(ParametricRelu());
  }
}

template <class U>
void compare(Kind kind, const Operands& operands) {
  const auto with = [&](const auto& f) { apply<U, U, bool>(operands, 1, f); };
  switch (kind) {
    case Kind::equal:
      return with(Equal());
    case Kind::less:
      return with(Less());
    case Kind::less_equal:
      return with(LessEqual());
    case Kind::greater:
      return with(Exchanged<Less>());
    default:
      return with(Exchanged<LessEqual>());
  }
}

void decide(Kind kind, const Operands& operands) {
  const auto with = [&](const auto& f) { apply<bool, bool, bool>(operands, 1, f); };
  switch (kind) {
    case Kind::logical_and:
      return with(And());
    case Kind::logical_or:
      return with(Or());
    default:
      return with(Xor());
  }
}

struct BinaryOp {
  using Attributes = ops::Binary;
  static constexpr std::string_view name = "binary";
  static constexpr bool may_be_inplace = true;
  static constexpr KnownRule known_rule = KnownRule::elementwise;

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Kind kind = attributes.kind;
    const char* op = kNames[static_cast<size_t>(kind)];
    const DType a = in[0]->dtype, b = in[1]->dtype;
    if (a != b && kind != Kind::pow) {
      fail(op, ": needs two inputs of one type, got ", name_of(a), " and ", name_of(b));
    }
    for (const DType type : {a, b}) {
      if ((type == DType::boolean) == is_logic(kind) || kind == Kind::equal) continue;
      fail(op, ": needs ", is_logic(kind) ? "booleans" : "numbers", ", got ", name_of(type));
    }
    return {{gives_boolean(kind) ? DType::boolean : a, broadcast_shapes(in[0]->shape, in[1]->shape, op)}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Kind kind = attributes.kind;
    const Operands operands = {context.template in<void>(0),  context.template in<void>(1),
                               context.template out<void>(0), context.in_shape(0),
                               context.in_shape(1),           context.out_shape(0)};
    if (is_logic(kind)) return decide(kind, operands);
    with_element_type<T>(context.in_dtype(0), [&]<class A>(A*) {
      if (gives_boolean(kind)) return compare<A>(kind, operands);
      if constexpr (!std::is_same_v<A, bool>) {
        if (kind != Kind::pow) return calculate<A>(kind, operands);
        with_element_type<T>(context.in_dtype(1), [&]<class B>(B*) {
          if constexpr (!std::is_same_v<B, bool>) apply<A, B, A>(operands, cost_of(kind), Power());
        });
      }
    });
  }

  static double work(const Attributes& attributes, const InputTypes& in) {
    const Shape y = broadcast_shapes(in[0]->shape, in[1]->shape, "binary");
    return static_cast<double>(cost_of(attributes.kind) * y.numel());
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    const ValueId dy = scope.output_gradient(0);
    for (int i = 0; i < 2; ++i) {
      if (!scope.wants(i) || gives_boolean(attributes.kind)) continue;
      ValueId grown = dy;  // the gradient by the operand as it was broadcast
      if (attributes.kind == Kind::mul) {
        grown = scope.emit(ops::Binary{Kind::mul}, {dy, scope.input(1 - i)})[0];
      } else if (attributes.kind == Kind::sub && i == 1) {
        grown = scope.emit(ops::Unary{ops::UnaryKind::neg}, {dy})[0];
      } else if (attributes.kind != Kind::add && attributes.kind != Kind::sub) {
        grown = scope.emit(ops::BinaryGradient{attributes.kind, i}, {scope.input(0), scope.input(1), dy})[0];
      }
      const Shape &own = scope.type(scope.input(i)).shape, &other = scope.type(scope.input(1 - i)).shape;
      const bool fits = surely_has_shape(own, other, scope.type(dy).shape);
      scope.set_input_gradient(i, fits ? grown : scope.emit(ops::SumTo{}, {grown, scope.input(i)})[0]);
    }
  }
};

}  // namespace

PLEAT_OP(BinaryOp)

}  // namespace pleat
