#pragma once

#include <cstdint>
#include <limits>
#include <vector>

#include "ops/op.hpp"

namespace pleat {

/// Runs one op on tensors, null for an absent input, in double where a tensor is f64: how constants are
/// folded. Error as infer's, where the op changes its inputs, or where a result has more than `most`
/// elements.
std::vector<Tensor> evaluate(const ops::Attributes& attributes, const std::vector<const Tensor*>& inputs,
                             int64_t most = std::numeric_limits<int64_t>::max());

}  // namespace pleat
