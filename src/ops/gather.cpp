// y[o, j, i] = x[o, index_j, i], where (o, k, i) is a place in x before, along and behind `dim`; a negative
// index counts from the end. An index that is known when the network is planned must lie within the
// dimension; one that comes while it runs and does not reads nothing: its part of y is NaN, of whole numbers
// 0.

#include <algorithm>
#include <cstring>
#include <utility>

#include "base/format.hpp"
#include "ops/context.hpp"
#include "ops/known.hpp"

namespace pleat {
namespace {

// x's dimensions about `dim`.
struct Axis {
  int dim;
  int64_t outer, size, inner;
  Axis(int64_t given, const Shape& x)
      : dim(static_cast<int>(given < 0 ? given + x.rank() : given)),
        outer(x.product(0, dim)),
        size(x[dim]),
        inner(x.product(dim + 1, x.rank())) {}
};

// The indices, whatever their type, made positive; -1 for one outside.
class Indices {
 public:
  template <class T>
  Indices(const Context<T>& context, int input, int64_t size)
      : wide_(context.in_dtype(input) == DType::i64 ? context.template in<int64_t>(input) : nullptr),
        narrow_(context.template in<int32_t>(input)),
        size_(size) {}
  int64_t operator[](int64_t j) const {
    const int64_t index = wide_ != nullptr ? wide_[j] : narrow_[j];
    const int64_t place = index < 0 ? index + size_ : index;
    return place >= 0 && place < size_ ? place : -1;
  }

 private:
  const int64_t* wide_;
  const int32_t* narrow_;
  int64_t size_;
};

Shape gathered_shape(const ops::Gather& attributes, const ValueType& given, const Shape& x) {
  const int dim = static_cast<int>(attributes.dim < 0 ? attributes.dim + x.rank() : attributes.dim);
  if (dim < 0 || dim >= x.rank()) fail("gather: dim ", attributes.dim, " is outside of ", x.str());
  if (given.dtype != DType::i64 && given.dtype != DType::i32) {
    fail("gather: needs indices of i64 or i32, got ", name_of(given.dtype));
  }
  const KnownElements indices(&given);
  for (int64_t j = 0; x[dim] != kDynamic && j < indices.size(); ++j) {
    if (!indices.known(j)) continue;
    const int64_t index = indices.integer(j);
    if (index < -x[dim] || index >= x[dim]) {
      fail("gather: index ", index, " is outside of dim ", dim, " of ", x.str());
    }
  }
  Shape y;
  for (int d = 0; d < dim; ++d) y.push_back(x[d]);
  for (int64_t size : given.shape) y.push_back(size);
  for (int d = dim + 1; d < x.rank(); ++d) y.push_back(x[d]);
  return y;
}

struct GatherOp {
  using Attributes = ops::Gather;
  static constexpr std::string_view name = "gather";
  static constexpr KnownRule known_rule = KnownRule::moves;

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    return {{in[0]->dtype, gathered_shape(attributes, *in[1], in[0]->shape)}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Axis x(attributes.dim, context.in_shape(0));
    const Indices indices(context, 1, x.size);
    const int64_t count = context.in_shape(1).numel();
    const DType dtype = context.out_dtype(0);
    const int outside = dtype == DType::f32 || dtype == DType::f64 ? 0xff : 0;  // all bits set: a NaN
    const int64_t row = x.inner * static_cast<int64_t>(size_of(dtype));
    const auto* from = context.template in<std::byte>(0);
    auto* y = context.template out<std::byte>(0);
    parallel_for(x.outer * count, grain_for(x.inner / 4 + 1), [&](int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end; ++at) {
        const int64_t index = indices[at % count];
        std::byte* to = y + at * row;
        if (index < 0) {
          std::memset(to, outside, static_cast<size_t>(row));
        } else {
          std::memcpy(to, from + (at / count * x.size + index) * row, static_cast<size_t>(row));
        }
      }
    });
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    const ops::GatherGradient back{attributes.dim};
    scope.set_input_gradient(0,
                             scope.emit(back, {scope.output_gradient(0), scope.input(0), scope.input(1)})[0]);
  }
};

// dx[o, k, i] = sum of dy[o, j, i] over the j whose index is k, in their order.
struct GatherGradientOp {
  using Attributes = ops::GatherGradient;
  static constexpr std::string_view name = "gather_gradient";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape y = gathered_shape({attributes.dim}, *in[2], in[1]->shape);
    if (y.is_static() && in[0]->shape.is_static() && y != in[0]->shape) {
      fail("gather_gradient: needs dy of ", y.str(), ", got ", in[0]->shape.str());
    }
    return {{in[0]->dtype, in[1]->shape}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    // A column of some inner places belongs to one task, whatever the indices: no two add to one element.
    constexpr int64_t kColumn = 64;
    const Axis x(attributes.dim, context.out_shape(0));
    const Indices indices(context, 2, x.size);
    const int64_t count = context.in_shape(2).numel(), columns = (x.inner + kColumn - 1) / kColumn;
    const T* dy = context.in(0);
    T* dx = context.out(0);
    const int64_t work = (x.size + count) * std::min(kColumn, x.inner);
    parallel_for(x.outer * columns, grain_for(work), [&](int64_t begin, int64_t end) {
      for (int64_t at = begin; at < end; ++at) {
        const int64_t o = at / columns, first = at % columns * kColumn;
        const int64_t width = std::min(kColumn, x.inner - first);
        T* to = dx + o * x.size * x.inner + first;
        const T* from = dy + o * count * x.inner + first;
        for (int64_t k = 0; k < x.size; ++k) std::fill_n(to + k * x.inner, width, T(0));
        for (int64_t j = 0; j < count; ++j) {
          const int64_t index = indices[j];
          if (index < 0) continue;
          for (int64_t i = 0; i < width; ++i) to[index * x.inner + i] += from[j * x.inner + i];
        }
      }
    });
  }
};

}  // namespace

PLEAT_OP(GatherOp)
PLEAT_OP(GatherGradientOp)

}  // namespace pleat
