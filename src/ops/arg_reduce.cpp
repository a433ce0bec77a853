// Where along a dimension the largest (smallest) element is, as i64. NaN counts as both; of several the
// first, or the last.

#include <algorithm>

#include "base/format.hpp"
#include "ops/context.hpp"
#include "ops/dim.hpp"

namespace pleat {
namespace {

constexpr int64_t kColumns = 64;  // neighbouring results that are found together

struct ArgReduceOp {
  using Attributes = ops::ArgReduce;
  static constexpr std::string_view name = "arg_reduce";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape& x = in[0]->shape;
    const int dim = dim_of(attributes.dim, x, "arg_reduce");
    if (x[dim] == 0) fail("arg_reduce: dim ", attributes.dim, " of ", x.str(), " has no elements");
    Shape y;
    for (int i = 0; i < x.rank(); ++i) {
      if (i != dim || attributes.keep_dims) y.push_back(i == dim ? 1 : x[i]);
    }
    return {{DType::i64, y}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    with_element_type<T>(context.in_dtype(0), [&]<class U>(U*) {
      const auto is_better = [&]<class Order>(const Order& order) {
        if (attributes.last) {
          find<U>(attributes, context, [&](U x, U best) { return !order(best, x); });
        } else {
          find<U>(attributes, context, order);
        }
      };
      // NaN stands above everything, and beside itself.
      if (attributes.smallest) {
        is_better([](U x, U best) { return x < best || (x != x && best == best); });
      } else {
        is_better([](U x, U best) { return x > best || (x != x && best == best); });
      }
    });
  }

  template <class U, class T, class Better>
  static void find(const Attributes& attributes, const Context<T>& context, const Better& better) {
    const DimView v(context.in_shape(0), dim_of(attributes.dim, context.in_shape(0), "arg_reduce"));
    const U* x = context.template in<U>(0);
    int64_t* y = context.template out<int64_t>(0);
    const int64_t blocks = (v.inner + kColumns - 1) / kColumns;
    parallel_for(
        v.outer * blocks, grain_for(v.size * std::min(v.inner, kColumns)), [&](int64_t begin, int64_t end) {
          for (int64_t item = begin; item < end; ++item) {
            const int64_t column = item % blocks * kColumns, columns = std::min(kColumns, v.inner - column);
            const U* from = x + item / blocks * v.size * v.inner + column;
            int64_t* to = y + item / blocks * v.inner + column;
            U best[kColumns];
            std::copy(from, from + columns, best);
            std::fill(to, to + columns, 0);
            for (int64_t i = 1; i < v.size; ++i) {
              for (int64_t j = 0; j < columns; ++j) {
                const U at = from[i * v.inner + j];
                if (!better(at, best[j])) continue;
                best[j] = at;
                to[j] = i;
              }
            }
          }
        });
  }
};

}  // namespace

PLEAT_OP(ArgReduceOp)

}  // namespace pleat
