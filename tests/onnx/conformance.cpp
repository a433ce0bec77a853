// Runs tests in ONNX's layout: folders test_*/ (or any) with model.onnx and
// test_data_set_*/{input,output}_*.pb, below the folders that are given. Prints which passed, which Pleat
// refuses and which come out wrong. Those that are refused must be listed with their reason, and only those.

#include <algorithm>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "pleat/model.hpp"
#include "pleat/onnx.hpp"

namespace {

namespace fs = std::filesystem;
using pleat::DType;
using pleat::Tensor;

struct Options {
  std::vector<fs::path> folders;
  fs::path list;
  std::string only;               ///< part of the names of the tests to run
  std::optional<double> largest;  ///< error allowed relative to an output's largest magnitude
  std::vector<bool> fold = {true, false};
  std::vector<int> threads = {1, 2};
};

/// A line of the list: "name: reason", where a star in the name stands for anything.
struct Listed {
  std::string name, reason;
  int used = 0;
};

bool matches(std::string_view pattern, std::string_view name) {
  const size_t star = pattern.find('*');
  if (star == std::string_view::npos) return pattern == name;
  if (!name.starts_with(pattern.substr(0, star))) return false;
  for (size_t i = star; i <= name.size(); ++i) {
    if (matches(pattern.substr(star + 1), name.substr(i))) return true;
  }
  return false;
}

std::vector<Listed> read_list(const fs::path& file) {
  std::vector<Listed> list;
  if (file.empty()) return list;
  std::ifstream in(file);
  if (!in) throw pleat::Error("cannot read " + file.string());
  for (std::string line; std::getline(in, line);) {
    const size_t colon = line.find(": ");
    if (line.empty() || line[0] == '#') continue;
    if (colon == std::string::npos) throw pleat::Error(file.string() + ": no reason in '" + line + "'");
    list.push_back({line.substr(0, colon), line.substr(colon + 2)});
  }
  return list;
}

/// The numbered files of one kind, in order.
std::vector<Tensor> read_tensors(const fs::path& folder, const std::string& kind) {
  std::vector<Tensor> tensors;
  for (int i = 0;; ++i) {
    const fs::path file = folder / (kind + "_" + std::to_string(i) + ".pb");
    if (!fs::exists(file)) return tensors;
    tensors.push_back(pleat::read_onnx_tensor(file));
  }
}

bool close(double got, double wanted, double allowed) {
  if (std::isnan(wanted) || std::isinf(wanted)) return std::isnan(wanted) ? std::isnan(got) : got == wanted;
  return std::abs(got - wanted) <= allowed;
}

/// What is wrong with `got`, or empty.
std::string difference(const Tensor& got, const Tensor& wanted, const Options& options) {
  std::ostringstream text;
  if (got.shape() != wanted.shape() || got.dtype() != wanted.dtype()) {
    text << name_of(got.dtype()) << " " << got.shape().str() << " instead of " << name_of(wanted.dtype())
         << " " << wanted.shape().str();
    return text.str();
  }
  if (wanted.dtype() != DType::f32) {
    if (std::memcmp(got.raw(), wanted.raw(), wanted.bytes()) != 0) text << "the elements differ";
    return text.str();
  }
  const float *a = got.data<float>(), *b = wanted.data<float>();
  double magnitude = 0;
  for (int64_t i = 0; i < wanted.numel(); ++i) magnitude = std::max(magnitude, std::abs(double{b[i]}));
  for (int64_t i = 0; i < wanted.numel(); ++i) {
    // ONNX's own runner allows 1e-3 relative and 1e-7 absolute.
    const double allowed =
        options.largest ? *options.largest * magnitude : 1e-3 * std::abs(double{b[i]}) + 1e-5;
    if (close(a[i], b[i], allowed)) continue;
    text << "element " << i << " is " << a[i] << " instead of " << b[i];
    return text.str();
  }
  return "";
}

/// Throws Error where Pleat does not take the test; else what came out wrong, or empty.
std::string run_test(const fs::path& folder, const Options& options) {
  const pleat::Graph graph = pleat::read_onnx(folder / "model.onnx");
  for (const bool fold : options.fold) {
    for (const int threads : options.threads) {
      pleat::Model model(graph, {.threads = threads});
      model.eval().set_fold(fold);
      for (int set = 0; fs::exists(folder / ("test_data_set_" + std::to_string(set))); ++set) {
        const fs::path data = folder / ("test_data_set_" + std::to_string(set));
        std::vector<Tensor> inputs = read_tensors(data, "input");
        const std::vector<Tensor> wanted = read_tensors(data, "output");
        // Inputs that are initializers too have their values already.
        inputs.resize(std::min(inputs.size(), graph.inputs().size()));
        const std::vector<Tensor> got = model.run(inputs);
        for (size_t i = 0; i < wanted.size(); ++i) {
          const std::string wrong = difference(got.at(i), wanted[i], options);
          if (wrong.empty()) continue;
          std::ostringstream text;
          text << "set " << set << ", output " << i << (fold ? ", folded, " : ", unfolded, ") << threads
               << " threads: " << wrong;
          return text.str();
        }
      }
    }
  }
  return "";
}

std::vector<fs::path> tests_below(const Options& options) {
  std::vector<fs::path> tests;
  for (const fs::path& folder : options.folders) {
    if (!fs::is_directory(folder)) {
      std::cout << "skipped: there is no " << folder.string() << '\n';
      continue;
    }
    for (const auto& entry : fs::directory_iterator(folder)) {
      const bool chosen = entry.path().filename().string().find(options.only) != std::string::npos;
      if (chosen && fs::exists(entry.path() / "model.onnx")) tests.push_back(entry.path());
    }
  }
  std::sort(tests.begin(), tests.end());
  return tests;
}

int run(const Options& options) {
  std::vector<Listed> list = read_list(options.list);
  int passed = 0, unsupported = 0, wrong = 0, misjudged = 0;
  for (const fs::path& test : tests_below(options)) {
    const std::string name = test.filename().string();
    const auto listed =
        std::find_if(list.begin(), list.end(), [&](const Listed& line) { return matches(line.name, name); });
    if (listed != list.end()) ++listed->used;
    try {
      const std::string fault = run_test(test, options);
      ++(fault.empty() ? passed : wrong);
      if (!fault.empty()) std::cout << "WRONG " << name << ": " << fault << '\n';
      if (fault.empty() && listed != list.end()) {
        ++misjudged;
        std::cout << "PASSES, though listed as unsupported: " << name << '\n';
      }
    } catch (const pleat::Error& error) {
      ++unsupported;
      if (listed == list.end()) ++misjudged;
      std::cout << (listed == list.end() ? "UNSUPPORTED, not listed: " : "unsupported: ") << name << ": "
                << error.what() << '\n';
    }
  }
  for (const Listed& line : list) {
    if (line.used == 0 && options.only.empty() && passed > 0) {
      ++misjudged;
      std::cout << "LISTED, but there is no such test: " << line.name << '\n';
    }
  }
  std::cout << passed << " passed / " << unsupported << " unsupported / " << wrong << " wrong\n";
  return wrong == 0 && misjudged == 0 ? 0 : 1;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    const auto value = [&] {
      if (++i == argc) throw pleat::Error(argument + " needs a value");
      return std::string(argv[i]);
    };
    if (argument == "--unsupported") {
      options.list = value();
    } else if (argument == "--only") {
      options.only = value();
    } else if (argument == "--relative-to-largest") {
      options.largest = std::stod(value());
    } else if (argument == "--folded") {
      options.fold = {true};
    } else if (argument == "--unfolded") {
      options.fold = {false};
    } else if (argument == "--threads") {
      options.threads = {std::stoi(value())};
    } else if (argument.starts_with("--")) {
      throw pleat::Error(
          "usage: pleat_onnx_tests FOLDER... [--unsupported LIST] [--only PART] [--relative-to-largest "
          "ERROR] "
          "[--folded | --unfolded] [--threads N]");
    } else {
      options.folders.emplace_back(argument);
    }
  }
  return options;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(parse(argc, argv));
  } catch (const std::exception& error) {
    std::cerr << error.what() << '\n';
    return 2;
  }
}
