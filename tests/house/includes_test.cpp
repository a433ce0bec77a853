#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

namespace {

namespace fs = std::filesystem;

using Names = std::vector<std::string_view>;

// Who may include whom. A star stands for anything. The first rule whose place begins a file's path counts.
// `std` and plain POSIX headers are open to all floors but the kernels and the public headers, which list
// theirs.
struct Rule {
  std::string_view place;
  Names project;    // "..." includes
  Names libraries;  // <...> includes beside the standard library
};

const Rule kRules[] = {
    {"include/pleat/", {"pleat/*"}, {}},
    {"src/base/parallel.cpp", {"base/*"}, {"tbb/*"}},
    {"src/base/", {"base/*", "pleat/error.hpp"}, {}},
    {"src/kernels/isa.cpp", {"kernels/kernel_table.hpp", "pleat/isa.hpp", "pleat/error.hpp"}, {}},
    {"src/kernels/simd.hpp", {"kernels/*"}, {"xsimd/*"}},
    {"src/kernels/", {"kernels/*", "pleat/isa.hpp"}, {}},
    {"src/tensor/", {"pleat/*", "tensor/*", "base/*"}, {}},
    {"src/ops/",
     {"pleat/*", "tensor/*", "ops/*", "base/parallel.hpp", "base/format.hpp", "base/random.hpp",
      "base/independent.hpp", "kernels/kernel_table.hpp", "kernels/activation.hpp", "kernels/*/contract.hpp",
      "kernels/channels_last/winograd.hpp", "kernels/channels_last/depthwise.hpp"},
     {}},
    {"src/graph/",
     {"pleat/*", "tensor/*", "graph/*", "base/*", "ops/op.hpp", "ops/attributes.hpp", "ops/evaluate.hpp",
      "ops/known.hpp"},
     {}},
    {"src/passes/",
     {"pleat/*", "tensor/*", "graph/*", "passes/*", "base/*", "ops/op.hpp", "ops/attributes.hpp",
      "ops/channels_last/can_normalize.hpp", "ops/evaluate.hpp", "ops/known.hpp"},
     {}},
    {"src/plan/", {"pleat/*", "graph/*", "plan/*", "base/*", "ops/op.hpp", "ops/known.hpp"}, {}},
    {"src/executor/executor.cpp",
     {"pleat/*", "plan/*", "executor/*", "base/*", "ops/op.hpp", "ops/context.hpp",
      "kernels/kernel_table.hpp"},
     {"tbb/*"}},
    {"src/executor/",
     {"pleat/*", "plan/*", "executor/*", "base/*", "ops/op.hpp", "ops/context.hpp",
      "kernels/kernel_table.hpp"},
     {}},
    {"src/formats/onnx/",
     {"pleat/*", "tensor/*", "graph/*", "formats/*", "base/*", "ops/op.hpp", "ops/attributes.hpp",
      "ops/evaluate.hpp", "ops/known.hpp", "ops/window.hpp", "onnx.pb.h"},
     {"google/protobuf/*"}},
    {"src/formats/", {"pleat/*", "tensor/*", "graph/*", "formats/*", "base/*"}, {"nlohmann/*", "zlib.h"}},
    {"src/pch/", {"base/*", "graph/*", "ops/*", "pch/*"}, {"google/protobuf/*"}},
    {"src/api/",
     {"pleat/*", "base/*", "tensor/*", "ops/*", "graph/*", "passes/*", "plan/*", "executor/*", "formats/*",
      "api/*"},
     {"nlohmann/*"}},
};

// The kernels' standard headers: none of them brings containers, algorithms or locale. Only code that is
// compiled once for all instruction sets may use <cmath>.
const Names kKernelStd = {"cstddef", "cstdint", "limits", "type_traits", "utility"};

struct Include {
  std::string name;
  bool quoted;
  int line;
};

std::vector<Include> includes_of(const fs::path& file) {
  std::vector<Include> found;
  std::ifstream in(file);
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    const size_t hash = line.find_first_not_of(" \t");
    if (hash == std::string::npos || line.compare(hash, 8, "#include") != 0) continue;
    const size_t open = line.find_first_of("<\"", hash);
    const size_t close = line.find_first_of(">\"", open + 1);
    REQUIRE(close != std::string::npos);
    found.push_back({line.substr(open + 1, close - open - 1), line[open] == '"', number});
  }
  return found;
}

bool matches(const Names& names, std::string_view include) {
  return std::any_of(names.begin(), names.end(), [&](std::string_view name) {
    const size_t star = name.find('*');
    if (star == std::string_view::npos) return include == name;
    return include.starts_with(name.substr(0, star)) && include.ends_with(name.substr(star + 1));
  });
}

bool is_std(std::string_view include) {
  return include.find_first_of("./") == std::string_view::npos;
}

/// <unistd.h>, <sys/stat.h>: the C library's and the system's, told from libraries by their list.
bool is_system(std::string_view include) {
  constexpr std::string_view folders[] = {"sys/", "linux/"};
  const bool folder = std::any_of(std::begin(folders), std::end(folders),
                                  [&](std::string_view name) { return include.starts_with(name); });
  return include.ends_with(".h") && include != "zlib.h" &&
         (folder || include.find('/') == std::string_view::npos);
}

bool allowed(const Rule& rule, const std::string& file, const Include& include) {
  if (include.quoted) return matches(rule.project, include.name);
  if (matches(rule.libraries, include.name)) return true;
  if (rule.place == "include/pleat/") return is_std(include.name);
  if (rule.place.starts_with("src/kernels/") && rule.place != "src/kernels/isa.cpp") {
    const bool reference = file.find("reference") != std::string::npos;
    return matches(kKernelStd, include.name) || (reference && include.name == "cmath");
  }
  return is_std(include.name) || is_system(include.name);
}

std::vector<std::string> sources(const fs::path& root, const char* folder) {
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : fs::recursive_directory_iterator(root / folder)) {
    const fs::path extension = entry.path().extension();
    if (extension == ".hpp" || extension == ".cpp") {
      files.push_back(fs::relative(entry.path(), root).generic_string());
    }
  }
  std::sort(files.begin(), files.end());
  return files;
}

}  // namespace

TEST_CASE("every file of the library includes only what its floor may know") {
  const fs::path root = PLEAT_SOURCE_DIR;
  int checked = 0;
  for (const char* folder : {"include", "src"}) {
    for (const std::string& file : sources(root, folder)) {
      const auto rule = std::find_if(std::begin(kRules), std::end(kRules),
                                     [&](const Rule& each) { return file.starts_with(each.place); });
      REQUIRE_MESSAGE(rule != std::end(kRules), file << " stands on no floor");
      for (const Include& include : includes_of(root / file)) {
        ++checked;
        CHECK_MESSAGE(allowed(*rule, file, include),
                      file << ":" << include.line << " must not include " << include.name);
      }
    }
  }
  CHECK(checked > 0);
}

TEST_CASE("the tools include public headers only") {
  const fs::path root = PLEAT_SOURCE_DIR;
  const Names libraries = {"CLI/CLI.hpp", "nlohmann/json.hpp"};
  for (const std::string& file : sources(root, "tools")) {
    for (const Include& include : includes_of(root / file)) {
      const bool own = include.name.find('/') == std::string::npos;
      const bool fine = include.quoted ? own || include.name.starts_with("pleat/")
                                       : matches(libraries, include.name) || is_std(include.name) ||
                                             is_system(include.name);
      CHECK_MESSAGE(fine, file << ":" << include.line << " must not include " << include.name);
    }
  }
}
