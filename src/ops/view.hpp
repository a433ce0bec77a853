#pragma once

#include "ops/op.hpp"

namespace pleat {

/// The gradient of a view: dy under x's shape.
inline void view_back(GradientScope& scope) {
  scope.set_input_gradient(0, scope.emit(ops::ReshapeLike{}, {scope.output_gradient(0), scope.input(0)})[0]);
}

}  // namespace pleat
