#include <algorithm>
#include <cstdlib>

#include "base/format.hpp"
#include "formats/data_folders.hpp"
#include "pleat/data.hpp"

namespace pleat {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDigits = "uci_digits_8x8.csv";

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

fs::path find_digits() {
  std::vector<fs::path> folders;
  if (const char* folder = std::getenv("PLEAT_DATA")) folders.emplace_back(folder);
  for (const char* folder : {"data", formats::kSourceData, formats::kInstalledData}) {
    folders.emplace_back(folder);
  }
  std::string tried;
  for (const fs::path& folder : folders) {
    if (is_file(folder / kDigits)) return folder / kDigits;
    tried += (tried.empty() ? "" : ", ") + folder.string();
  }
  fail("digits: no ", kDigits, " in ", tried, "; PLEAT_DATA may name its folder");
}

/// A fifth of every class, but at most all but one of its items, for testing; always the same.
Split stratified(const Dataset& data, std::string_view spec) {
  constexpr uint64_t kSplitSeed = 20;
  std::vector<std::vector<int64_t>> of_class(static_cast<size_t>(data.classes));
  const auto labels = data.labels.span<int64_t>();
  for (const int64_t position : shuffled(data.size(), kSplitSeed)) {
    of_class[static_cast<size_t>(labels[static_cast<size_t>(position)])].push_back(position);
  }
  std::vector<int64_t> train, test;
  for (const auto& positions : of_class) {
    const auto count = static_cast<std::ptrdiff_t>(positions.size());
    const std::ptrdiff_t tests = count < 2 ? 0 : std::max<std::ptrdiff_t>(1, (count + 2) / 5);
    test.insert(test.end(), positions.begin(), positions.begin() + tests);
    train.insert(train.end(), positions.begin() + tests, positions.end());
  }
  if (test.empty()) fail(spec, ": too little data: no class has two items");
  std::sort(train.begin(), train.end());
  std::sort(test.begin(), test.end());
  return {data.select(train), data.select(test)};
}

/// "train-images-idx3-ubyte" in the spellings that are around; empty where there is none.
fs::path find_idx(const fs::path& folder, const std::string& name, const std::string& type) {
  for (const char* separator : {"-", "."}) {
    for (const char* ending : {"", ".gz"}) {
      const fs::path path = folder / concat(name, separator, type, "-ubyte", ending);
      if (is_file(path)) return path;
    }
  }
  return {};
}

Split load_idx(const fs::path& folder, Skipped* skipped) {
  const auto find = [&](const std::string& name, const char* type) {
    const fs::path path = find_idx(folder, name, type);
    if (path.empty()) fail("idx:", folder.string(), ": no ", name, "-", type, "-ubyte or .gz of it there");
    return path;
  };
  const auto read = [&](const std::string& part) {
    const fs::path images = find(part + "-images", "idx3");
    return read_idx(images, find(part + "-labels", "idx1"), skipped);
  };
  Split split{read("train"), read("t10k")};
  split.train.classes = split.test.classes = std::max(split.train.classes, split.test.classes);
  return split;
}

Split load_cifar10(const fs::path& given, Skipped* skipped) {
  const fs::path inside = given / "cifar-10-batches-bin";
  const fs::path folder = fs::is_directory(inside) ? inside : given;
  std::vector<fs::path> train;
  for (int i = 1; i <= 5; ++i) train.push_back(folder / concat("data_batch_", i, ".bin"));
  const std::vector<fs::path> test{folder / "test_batch.bin"};
  std::string missing;
  for (const auto& files : {train, test}) {
    for (const fs::path& file : files) {
      if (!is_file(file)) missing += concat(" ", file.filename().string());
    }
  }
  if (!missing.empty()) fail("cifar10:", given.string(), ": missing there:", missing);
  return {read_cifar10(train, skipped), read_cifar10(test, skipped)};
}

void check_same_items(const Split& split, std::string_view spec) {
  const Shape &train = split.train.inputs.shape(), &test = split.test.inputs.shape();
  if (!std::equal(train.begin() + 1, train.end(), test.begin() + 1, test.end())) {
    fail(spec, ": training items of ", train.str(), " and test items of ", test.str(), " differ in shape");
  }
}

Split load(std::string_view spec, Skipped* skipped) {
  const size_t colon = spec.find(':');
  const std::string_view kind = spec.substr(0, colon);
  const fs::path path = colon == std::string_view::npos ? "" : spec.substr(colon + 1);
  if (spec == "digits") return stratified(read_digits(find_digits(), skipped), spec);
  if (!path.empty()) {
    if (kind == "csv") return stratified(read_csv(path, skipped), spec);
    if (kind == "idx") return load_idx(path, skipped);
    if (kind == "cifar10") return load_cifar10(path, skipped);
  }
  fail("data '", spec, "' is unknown: digits, csv:FILE, idx:DIR or cifar10:DIR are needed");
}

}  // namespace

Split load_data(std::string_view spec, Skipped* skipped) {
  Split split = load(spec, skipped);
  check_same_items(split, spec);
  return split;
}

}  // namespace pleat
