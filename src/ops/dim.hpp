#pragma once

#include "base/format.hpp"
#include "pleat/shape.hpp"

namespace pleat {

/// A dimension counted from the end where it is negative. Error, named `op`, outside of the shape.
inline int dim_of(int64_t dim, const Shape& shape, const char* op) {
  const int64_t counted = dim < 0 ? dim + shape.rank() : dim;
  if (counted < 0 || counted >= shape.rank()) fail(op, ": dim ", dim, " is outside of ", shape.str());
  return static_cast<int>(counted);
}

/// A tensor as (outer, size, inner) around one of its dimensions.
struct DimView {
  DimView(const Shape& shape, int dim)
      : outer(shape.product(0, dim)), size(shape[dim]), inner(shape.product(dim + 1, shape.rank())) {}
  int64_t outer, size, inner;
};

}  // namespace pleat
