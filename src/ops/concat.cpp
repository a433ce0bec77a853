#include <algorithm>
#include <cstring>

#include "base/format.hpp"
#include "ops/concat_shape.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

int concat_dim(int64_t dim, const Shape& x) {
  return static_cast<int>(dim < 0 ? dim + x.rank() : dim);
}

struct ConcatOp {
  using Attributes = ops::Concat;
  static constexpr std::string_view name = "concat";
  static constexpr KnownRule known_rule = KnownRule::moves;

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    return {concat_type(name, in, attributes.dim)};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Shape& shape = context.out_shape(0);
    const int dim = concat_dim(attributes.dim, shape);
    const int64_t inner =
        shape.product(dim + 1, shape.rank()) * static_cast<int64_t>(size_of(context.out_dtype(0)));
    const int64_t row = shape[dim] * inner;
    auto* y = context.template out<std::byte>(0);
    // Bytes [begin, end) of y: the parts of the inputs' rows among them.
    parallel_for(shape.product(0, dim) * row, kTaskElements, [&](int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end;) {
        const int64_t o = at / row;
        int64_t first = o * row;  // of the current input's part in y
        for (int k = 0; k < context.input_count() && first < end; ++k) {
          const int64_t length = context.in_shape(k)[dim] * inner;
          const int64_t from = std::max(at, first), to = std::min(end, first + length);
          if (from < to) {
            std::memcpy(y + from, context.template in<std::byte>(k) + o * length + (from - first),
                        static_cast<size_t>(to - from));
          }
          first += length;
        }
        at = (o + 1) * row;
      }
    });
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    const int dim = concat_dim(attributes.dim, scope.type(scope.output(0)).shape);
    int64_t begin = 0;
    for (int k = 0; k < scope.input_count(); ++k) {
      const int64_t size = scope.type(scope.input(k)).shape[dim];
      if (size == kDynamic) {
        fail("concat: training needs sizes along dim ", dim, " that are known when the graph is built, got ",
             scope.type(scope.input(k)).shape.str());
      }
      if (scope.wants(k)) {
        const ops::Slice part{dim, begin, begin + size};
        scope.set_input_gradient(k, scope.emit(part, {scope.output_gradient(0)})[0]);
      }
      begin += size;
    }
  }
};

}  // namespace

ValueType concat_type(std::string_view op, std::span<const ValueType* const> in, int64_t given_dim) {
  if (in.empty()) fail(op, ": needs at least one input");
  Shape y = in[0]->shape;
  const int dim = concat_dim(given_dim, y);
  if (dim < 0 || dim >= y.rank()) fail(op, ": dim ", given_dim, " is outside of ", y.str());
  for (size_t k = 1; k < in.size(); ++k) {
    const Shape& x = in[k]->shape;
    bool fits = x.rank() == y.rank();
    for (int i = 0; fits && i < y.rank(); ++i) {
      if (i == dim) {
        y[i] = x[i] == kDynamic || y[i] == kDynamic ? kDynamic : y[i] + x[i];
      } else {
        if (y[i] == kDynamic) y[i] = x[i];
        fits = x[i] == y[i] || x[i] == kDynamic;
      }
    }
    if (!fits) {
      fail(op, ": needs inputs of one shape but along dim ", dim, ", got ", in[0]->shape.str(), " and ",
           x.str());
    }
    if (in[k]->dtype != in[0]->dtype) {
      fail(op, ": needs inputs of one type, got ", name_of(in[0]->dtype), " and ", name_of(in[k]->dtype));
    }
  }
  return {in[0]->dtype, y};
}

PLEAT_OP(ConcatOp)

}  // namespace pleat
