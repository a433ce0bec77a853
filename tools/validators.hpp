#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
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

/// A file to write: said before any work is done for it.
inline CLI::Validator in_existing_folder() {
  return CLI::Validator(
      [](const std::string& text) {
        namespace fs = std::filesystem;
        std::error_code failed;
        if (fs::is_directory(text, failed)) return text + " is a folder, not a file to write";
        const fs::path folder = fs::path(text).parent_path();
        if (folder.empty() || fs::is_directory(folder, failed)) return std::string();
        return "cannot write " + text + ": there is no folder " + folder.string();
      },
      "");
}

}  // namespace pleat::tools
