#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "table.hpp"

namespace pleat::tools {

/// A number from `least` to `most`. CLI::Range lets NaN pass.
inline CLI::Validator between(double least, double most) {
  const std::string range = "[" + number("%g", least) + " - " + number("%g", most) + "]";
  return CLI::Validator(
      [=](const std::string& text) {
        double value = 0;
        const bool fine = CLI::detail::lexical_cast(text, value) && value >= least && value <= most;
        return fine ? std::string() : text + " is not a number in " + range;
      },
      "in " + range);
}

inline CLI::Validator not_negative() {
  return between(0, 1e9);
}

}  // namespace pleat::tools
