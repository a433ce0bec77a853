#pragma once

#include <doctest/doctest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

#include "support/temporary_folder.hpp"
#include "tools/process.hpp"

namespace pleat::test {

// How the tests of the program `pleat` call it.

namespace fs = std::filesystem;
using nlohmann::json;

inline const std::vector<std::string> kVariables = {std::string("PLEAT_DATA=") + PLEAT_SOURCE_DIR + "/data"};

inline std::vector<std::string> command(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), PLEAT_TOOL);
  return arguments;
}

inline ProcessResult pleat_in(const TemporaryFolder& folder, const std::vector<std::string>& arguments) {
  return run_process(command(arguments), folder.path(), kVariables);
}

/// The JSON object on stdout's last line, which must be its only line.
inline json result_of(const ProcessResult& result) {
  INFO(result.err);
  REQUIRE(result.exit_code == 0);
  REQUIRE(!result.out.empty());
  CHECK(result.out.find('\n') == result.out.size() - 1);
  const json object = json::parse(result.out);
  REQUIRE(object.is_object());
  return object;
}

/// Failing as it should: a message on stderr that holds `part`, nothing on stdout, no crash.
inline void check_fails(const ProcessResult& result, const std::string& part) {
  INFO(result.err);
  CHECK((result.exit_code == 1 || result.exit_code == 2));
  CHECK(result.out.empty());
  CHECK(result.err.find(part) != std::string::npos);
}

inline void check_positive(const json& object, const std::vector<std::string>& keys) {
  for (const std::string& key : keys) {
    CAPTURE(key);
    REQUIRE(object.contains(key));
    CHECK(object[key].get<double>() > 0);
    CHECK(std::isfinite(object[key].get<double>()));
  }
}

/// Three classes of six numbers around their own centres.
inline void write_blobs(const fs::path& file, int rows = 240) {
  std::ofstream out(file);
  out << "a,b,c,d,e,f,class\n";
  std::mt19937 generator(1);
  std::normal_distribution<double> noise(0, 0.5);
  for (int row = 0; row < rows; ++row) {
    const int label = row % 3;
    for (int column = 0; column < 6; ++column) out << noise(generator) + (column % 3 == label ? 2 : 0) << ',';
    out << label << '\n';
  }
}

inline std::vector<std::string> train_blobs(const std::string& out,
                                            const std::vector<std::string>& more = {}) {
  std::vector<std::string> arguments = {"train", "custom", "--data", "csv:blobs.csv", "--hidden",
                                        "8",     "--out",  out,      "--batch",       "16"};
  arguments.insert(arguments.end(), more.begin(), more.end());
  return arguments;
}

/// Where a training run of three epochs left its best weights.
inline std::string trained_blobs(const TemporaryFolder& folder) {
  write_blobs(folder / "blobs.csv");
  result_of(pleat_in(folder, train_blobs("run", {"--epochs", "3", "--json"})));
  return "run/best.safetensors";
}

}  // namespace pleat::test
