#pragma once

#include <string_view>

#include "pleat/tensor.hpp"

namespace pleat {

/// Error, beginning with `who`, where a label is not one of the classes: it names the label and its position.
void check_labels(std::string_view who, const Tensor& labels, int64_t classes);

}  // namespace pleat
