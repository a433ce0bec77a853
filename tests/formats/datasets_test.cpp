#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <set>

#include "pleat/data.hpp"
#include "support/temporary_folder.hpp"

using namespace pleat;
using pleat::test::TemporaryFolder;
using pleat::test::write_bytes;

namespace {

constexpr const char* kFashion = "/usr/share/datasets/fashion-mnist";

std::vector<int64_t> class_counts(const Dataset& data) {
  std::vector<int64_t> counts(static_cast<size_t>(data.classes));
  for (const int64_t label : data.labels.span<int64_t>()) ++counts.at(static_cast<size_t>(label));
  return counts;
}

bool same_labels(const Dataset& a, const Dataset& b) {
  return std::ranges::equal(a.labels.span<int64_t>(), b.labels.span<int64_t>());
}

/// The value of an environment variable while it lives.
class Environment {
 public:
  Environment(const char* name, const std::string& value) : name_(name) {
    if (const char* old = ::getenv(name)) old_ = old;
    ::setenv(name, value.c_str(), 1);
  }
  ~Environment() {
    if (old_.empty()) {
      ::unsetenv(name_);
    } else {
      ::setenv(name_, old_.c_str(), 1);
    }
  }

 private:
  const char* name_;
  std::string old_;
};

std::string idx_images(char count) {
  return std::string{0, 0, 8, 3, 0, 0, 0, count, 0, 0, 0, 1, 0, 0, 0, 1} +
         std::string(static_cast<size_t>(count), 'x');
}

std::string idx_labels(const std::string& labels) {
  return std::string{0, 0, 8, 1, 0, 0, 0, static_cast<char>(labels.size())} + labels;
}

}  // namespace

TEST_CASE("load_data digits: a fifth of every class for testing, always the same") {
  const Split split = load_data("digits");
  CHECK(split.train.size() + split.test.size() == 1797);
  CHECK(split.train.inputs.shape() == Shape{split.train.size(), 1, 8, 8});
  const auto train = class_counts(split.train), test = class_counts(split.test);
  REQUIRE(test.size() == 10);
  for (size_t c = 0; c < test.size(); ++c) {
    CHECK(static_cast<double>(test[c]) ==
          doctest::Approx(0.2 * static_cast<double>(train[c] + test[c])).epsilon(0.02));
  }
  CHECK(same_labels(load_data("digits").test, split.test));
}

TEST_CASE("load_data digits: PLEAT_DATA comes first") {
  const TemporaryFolder folder;
  std::string text;
  for (int i = 0; i < 20; ++i) {
    for (int pixel = 0; pixel < 64; ++pixel) text += "1,";
    text += std::to_string(i % 2) + "\n";
  }
  write_bytes(folder / "uci_digits_8x8.csv", text);
  const Environment environment("PLEAT_DATA", folder.path().string());
  CHECK(load_data("digits").train.size() == 16);
}

TEST_CASE("load_data csv: the parts share no line and miss none") {
  const TemporaryFolder folder;
  std::string text = "id,class\n";
  for (int i = 0; i < 53; ++i) text += std::to_string(i) + "," + (i < 50 ? "common" : "rare") + "\n";
  const Split split = load_data("csv:" + write_bytes(folder / "a.csv", text).string());
  CHECK(class_counts(split.test) == std::vector<int64_t>{10, 1});
  std::set<float> ids;
  for (const Dataset* part : {&split.train, &split.test}) {
    for (const float id : part->inputs.span<float>()) CHECK(ids.insert(id).second);
  }
  CHECK(ids.size() == 53);
  CHECK_THROWS_WITH_AS(load_data("csv:" + write_bytes(folder / "b.csv", "a,b\n1,x\n2,y\n").string()),
                       doctest::Contains("too little data"), Error);
}

TEST_CASE("load_data idx: the usual names, and classes of both parts together") {
  for (const char* separator : {"-", "."}) {
    const TemporaryFolder folder;
    const auto name = [&](std::string start, const char* type) {
      return start + separator + type + "-ubyte";
    };
    write_bytes(folder / name("train-images", "idx3"), idx_images(3));
    write_bytes(folder / name("train-labels", "idx1"), idx_labels({0, 2, 1}));
    write_bytes(folder / name("t10k-images", "idx3"), idx_images(2));
    const std::string spec = "idx:" + folder.path().string();
    CHECK_THROWS_WITH_AS(load_data(spec), doctest::Contains("no t10k-labels-idx1-ubyte"), Error);
    write_bytes(folder / name("t10k-labels", "idx1"), idx_labels({0, 1}));
    const Split split = load_data(spec);
    CHECK(split.train.size() == 3);
    CHECK(split.test.size() == 2);
    CHECK(split.train.classes == 3);
    CHECK(split.test.classes == 3);
  }
}

TEST_CASE("load_data cifar10: the folder itself or the one in the archive; says what is missing") {
  for (const char* inside : {"", "cifar-10-batches-bin/"}) {
    const TemporaryFolder folder;
    const std::string spec = "cifar10:" + folder.path().string();
    const auto add = [&](const std::string& name, char label) {
      write_bytes(folder / (inside + name), label + std::string(3072, 'x'));
    };
    for (const char number : {'1', '2', '4', '5'}) add(std::string("data_batch_") + number + ".bin", 3);
    CHECK_THROWS_WITH_AS(load_data(spec), doctest::Contains("missing there: data_batch_3.bin test_batch.bin"),
                         Error);
    add("data_batch_3.bin", 5);
    add("test_batch.bin", 7);
    const Split split = load_data(spec);
    CHECK(split.train.inputs.shape() == Shape{5, 3, 32, 32});
    CHECK(split.train.labels.span<int64_t>()[2] == 5);
    CHECK(split.test.labels.span<int64_t>()[0] == 7);
  }
}

TEST_CASE("load_data: parts of different shape, unknown kinds, missing folders") {
  for (const char* spec : {"", "mnist", "csv", "csv:", "idx:", "digits:x", "png:x", ":"}) {
    CAPTURE(spec);
    CHECK_THROWS_WITH_AS(load_data(spec), doctest::Contains("digits, csv:FILE, idx:DIR or cifar10:DIR"),
                         Error);
  }
  CHECK_THROWS_WITH_AS(load_data("csv:/nowhere.csv"), doctest::Contains("/nowhere.csv: no such file"), Error);
  CHECK_THROWS_WITH_AS(load_data("idx:/nowhere"), doctest::Contains("no train-images"), Error);
  CHECK_THROWS_WITH_AS(load_data("cifar10:/nowhere"), doctest::Contains("missing there"), Error);
  const TemporaryFolder folder;
  write_bytes(folder / "train-images-idx3-ubyte",
              std::string{0, 0, 8, 3, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 2, 5, 5});
  write_bytes(folder / "train-labels-idx1-ubyte", idx_labels({0}));
  write_bytes(folder / "t10k-images-idx3-ubyte", idx_images(1));
  write_bytes(folder / "t10k-labels-idx1-ubyte", idx_labels({0}));
  CHECK_THROWS_WITH_AS(load_data("idx:" + folder.path().string()), doctest::Contains("differ in shape"),
                       Error);
}

TEST_CASE("load_data idx: Fashion-MNIST") {
  if (!std::filesystem::exists(kFashion)) {
    MESSAGE("skipped: no ", kFashion, " (Debian's dataset-fashion-mnist)");
    return;
  }
  const Split split = load_data(std::string("idx:") + kFashion);
  CHECK(split.train.inputs.shape() == Shape{60000, 1, 28, 28});
  CHECK(split.test.inputs.shape() == Shape{10000, 1, 28, 28});
  CHECK(class_counts(split.train) == std::vector<int64_t>(10, 6000));
  CHECK(class_counts(split.test) == std::vector<int64_t>(10, 1000));
  // The mean and deviation that everybody normalizes Fashion-MNIST with.
  const Normalization normalization = measure(split.train);
  CHECK(normalization.mean[0] == doctest::Approx(0.2860).epsilon(1e-3));
  CHECK(normalization.std[0] == doctest::Approx(0.3530).epsilon(1e-3));
}
