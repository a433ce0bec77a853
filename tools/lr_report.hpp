#pragma once

#include <ostream>

#include "output.hpp"
#include "pleat/lr_range.hpp"

namespace pleat::tools {

/// The curve as a plot of smoothed losses, and what it suggests.
void print_lr_range(std::ostream& out, const LrRange& range);

/// {"suggestion": 0.1, "diverged": true, "curve": [{"lr", "loss", "smoothed"}, ...]}
Json lr_range_json(const LrRange& range);

}  // namespace pleat::tools
