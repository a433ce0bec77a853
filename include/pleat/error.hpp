#pragma once

#include <stdexcept>

namespace pleat {

/// Everything that Pleat throws. The message says where, what was given and what was needed.
class Error : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace pleat
