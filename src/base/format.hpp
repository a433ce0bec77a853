#pragma once

#include <sstream>
#include <string>

#include "pleat/error.hpp"

namespace pleat {

/// All arguments, streamed into one string.
template <class... Args>
std::string concat(const Args&... args) {
  std::ostringstream out;
  (out << ... << args);
  return out.str();
}

/// Throws Error with that text.
template <class... Args>
[[noreturn]] void fail(const Args&... args) {
  throw Error(concat(args...));
}

}  // namespace pleat
