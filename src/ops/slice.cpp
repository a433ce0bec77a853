#include <cstring>

#include "base/format.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

/// A tensor as (outer, size along dim, inner).
struct Split {
  int64_t outer, size, inner;
  Split(const Shape& shape, int64_t dim)
      : outer(shape.product(0, static_cast<int>(dim))),
        size(shape[static_cast<int>(dim)]),
        inner(shape.product(static_cast<int>(dim) + 1, shape.rank())) {}
};

struct SliceOp {
  using Attributes = ops::Slice;
  static constexpr std::string_view name = "slice";
  static constexpr KnownRule known_rule = KnownRule::moves;

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    Shape y = in[0]->shape;
    if (attributes.dim < 0 || attributes.dim >= y.rank()) {
      fail("slice: dim ", attributes.dim, " is outside of ", y.str());
    }
    int64_t& size = y[static_cast<int>(attributes.dim)];
    if (attributes.begin < 0 || attributes.begin > attributes.end ||
        (size != kDynamic && attributes.end > size)) {
      fail("slice: [", attributes.begin, ", ", attributes.end, ") is outside of dim ", attributes.dim, " of ",
           y.str());
    }
    size = attributes.end - attributes.begin;
    return {{in[0]->dtype, y}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Split x(context.in_shape(0), attributes.dim);
    const int64_t inner = x.inner * static_cast<int64_t>(size_of(context.out_dtype(0)));  // bytes
    const int64_t length = (attributes.end - attributes.begin) * inner, row = x.size * inner;
    if (length == 0) return;
    const std::byte* from = context.template in<std::byte>(0) + attributes.begin * inner;
    auto* y = context.template out<std::byte>(0);
    parallel_for(x.outer, grain_for(length / 16), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) {
        std::memcpy(y + o * length, from + o * row, static_cast<size_t>(length));
      }
    });
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    const ops::SliceGradient rule{attributes.dim, attributes.begin};
    scope.set_input_gradient(0, scope.emit(rule, {scope.output_gradient(0), scope.input(0)})[0]);
  }
};

struct SliceGradientOp {
  using Attributes = ops::SliceGradient;
  static constexpr std::string_view name = "slice_gradient";

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    return {{in[0]->dtype, in[1]->shape}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Split x(context.in_shape(1), attributes.dim);
    const int64_t row = x.size * x.inner, before = attributes.begin * x.inner;
    const int64_t length = context.in_shape(0)[static_cast<int>(attributes.dim)] * x.inner;
    const T* dy = context.in(0);
    T* dx = context.out(0);
    parallel_for(x.outer, grain_for(row / 4), [&](int64_t begin, int64_t end) {
      for (int64_t o = begin; o < end; ++o) {
        T* to = dx + o * row;
        const T* from = dy + o * length;
        for (int64_t i = 0; i < before; ++i) to[i] = 0;
        for (int64_t i = 0; i < length; ++i) to[before + i] = from[i];
        for (int64_t i = before + length; i < row; ++i) to[i] = 0;
      }
    });
  }
};

}  // namespace

PLEAT_OP(SliceOp)
PLEAT_OP(SliceGradientOp)

}  // namespace pleat
