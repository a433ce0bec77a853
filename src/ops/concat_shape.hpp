#pragma once

#include <span>
#include <string_view>

#include "ops/op.hpp"

namespace pleat {

/// What inputs of one shape but along `dim`, which may count from the end, are when joined there. Error,
/// named `op`, where they do not fit or there is none.
ValueType concat_type(std::string_view op, std::span<const ValueType* const> in, int64_t dim);

}  // namespace pleat
