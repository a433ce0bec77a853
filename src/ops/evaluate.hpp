#pragma once

#include <vector>

#include "ops/op.hpp"

namespace pleat {

/// Runs one op on tensors, null for an absent input, in double where a tensor is f64: how constants are
/// folded. Error as infer's, or where the op changes its inputs.
std::vector<Tensor> evaluate(const ops::Attributes& attributes, const std::vector<const Tensor*>& inputs);

}  // namespace pleat
