#pragma once

#include <CLI/CLI.hpp>
#include <iostream>
#include <nlohmann/json.hpp>

namespace pleat::tools {

using Json = nlohmann::ordered_json;

/// Where a command prints: text for people on stdout; with --json one object on stdout, and the text on
/// stderr.
class Output {
 public:
  void add_to(CLI::App& app) { app.add_flag("--json", json_, "Print one JSON object as stdout's last line"); }

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
