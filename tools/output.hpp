#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>

#include "pleat/error.hpp"

namespace pleat::tools {

using Json = nlohmann::ordered_json;

/// One object in a file, written whole or not at all (temporary file, then rename).
inline void write_json(const std::filesystem::path& file, const Json& json) {
  const std::filesystem::path temporary = file.string() + ".tmp";
  std::ofstream out(temporary);
  out << json.dump(2, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace) << std::endl;
  out.close();
  std::error_code failed;
  if (out) std::filesystem::rename(temporary, file, failed);
  if (!out || failed) {
    std::filesystem::remove(temporary, failed);
    throw Error("cannot write " + file.string());
  }
}

/// Where a command prints: text for people on stdout; with --json one object on stdout, and the text on
/// stderr.
class Output {
 public:
  void add_to(CLI::App& app) {
    app.add_flag("--json", json_, "Print one JSON object as stdout's last line")->configurable(false);
  }

  std::ostream& text() const { return json_ ? std::cerr : std::cout; }

  void finish(const Json& result) const {
    if (!json_) return;
    std::cout << result.dump(/*indent=*/-1, ' ', /*ensure_ascii=*/false, Json::error_handler_t::replace)
              << std::endl;
  }

 private:
  bool json_ = false;
};

}  // namespace pleat::tools
