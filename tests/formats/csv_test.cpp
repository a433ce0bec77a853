#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "pleat/data.hpp"
#include "support/damage.hpp"
#include "support/temporary_folder.hpp"

using namespace pleat;
using pleat::test::TemporaryFolder;
using pleat::test::write_bytes;

namespace {

Dataset read(const std::string& text) {
  const TemporaryFolder folder;
  return read_csv(write_bytes(folder / "data.csv", text));
}

void check_fault(const std::string& text, const char* part) {
  CAPTURE(text);
  CHECK_THROWS_WITH_AS(read(text), doctest::Contains(part), Error);
  CHECK_THROWS_WITH_AS(read(text), doctest::Contains("data.csv"), Error);
}

template <class T>
std::vector<T> values(const Tensor& tensor) {
  const auto span = tensor.span<T>();
  return {span.begin(), span.end()};
}

}  // namespace

TEST_CASE("csv: features and classes as numbers") {
  const Dataset data = read("a,b,class\n1,-2.5,0\n+3e2, 4 ,2\n.5,6,1\n");
  CHECK(data.size() == 3);
  CHECK(data.classes == 3);
  CHECK(data.inputs.shape() == Shape{3, 2});
  CHECK(values<float>(data.inputs) == std::vector<float>{1, -2.5f, 300, 4, 0.5f, 6});
  CHECK(values<int64_t>(data.labels) == std::vector<int64_t>{0, 2, 1});
}

TEST_CASE("csv: classes as names are numbered alphabetically, however the lines are ordered") {
  CHECK(values<int64_t>(read("a,kind\n1,pear\n2,apple\n3,pear\n").labels) == std::vector<int64_t>{1, 0, 1});
  CHECK(values<int64_t>(read("a,kind\n1,apple\n2,pear\n3,pear\n").labels) == std::vector<int64_t>{0, 1, 1});
  CHECK(read("a,kind\n1,0\n2,1\n3,one\n").classes == 3);
}

TEST_CASE("csv: line ends, quotes, blank lines and a byte order mark") {
  const std::vector<float> features{1, 2, 3, 4};
  for (const char* text : {
           "a,b,c\n1,2,x\n3,4,y",
           "a,b,c\r\n1,2,x\r\n3,4,y\r\n",
           "a,b,c\r\n1,2,x\r\n3,4,y\r",
           "\n\na,b,c\n\n1,2,x\n  \n3,4,y\n\n",
           "\xef\xbb\xbf"
           "a,b,c\n1,2,x\n3,4,y\n",
           "\"a, \"\"quoted\"\"\",\"b\nc\",c\n\"1\", \"2\" ,\"x\"\n3,4,\"y\"",
       }) {
    CAPTURE(text);
    const Dataset data = read(text);
    CHECK(values<float>(data.inputs) == features);
    CHECK(values<int64_t>(data.labels) == std::vector<int64_t>{0, 1});
  }
}

TEST_CASE("csv: every fault is an Error that names line and column") {
  check_fault("", "empty");
  check_fault("\n\n", "empty");
  check_fault("a,b\n", "nothing follows");
  check_fault("a\n1\n", "line 1");
  check_fault("1,2,0\n3,4,1\n", "header");
  check_fault("a,b,c\n1,2,0\n1,2\n", "line 3: 2 fields, the header has 3");
  check_fault("a,b,c\n1,2,0\n1,2,3,4\n", "line 3: 4 fields");
  check_fault("a,b,c\n1,2,0\n1,x,1\n", "line 3, column 2 (b): 'x' is not a number");
  check_fault("a,b,c\n1,2,0\n1,2x,1\n", "line 3, column 2 (b)");
  check_fault("a,b,c\n1,2,0\n,2,1\n", "line 3, column 1 (a): a number is missing");
  check_fault("a,b,c\n1,2,\n1,2,1\n", "line 2: the class");
  for (const char* number : {"nan", "NaN", "-nan", "inf", "-inf", "Infinity", "1e39", "1e400"}) {
    check_fault(std::string("a,c\n1,0\n") + number + ",1\n", "line 3, column 1 (a)");
  }
  check_fault("a,c\n1,x\n2,x\n", "one class");
  check_fault("a,c\n1,-1\n2,1\n", "numbered from 0");
  check_fault("a,c\n1,0\n2,1000000000000\n", "numbered from 0");
  check_fault("a,c\n1,\"x\n2,y\n", "line 2: the quote of field 2 is not closed");
  check_fault("a,c\n1,\"x\"y\n2,y\n", "line 2: text after the closing quote");
  check_fault("\"a\n\n\",c\n1,x\nbad,y\n", "line 5, column 1");
}

TEST_CASE("csv: changed bytes give an Error or finite numbers and labels in range") {
  const std::string text = "\"a\",b,c\r\n1,2.5,x\r\n\r\n-3e1,\"4\",\"y\"\r\n5,6,x\r\n";
  constexpr uint64_t kSeed = 1;
  const int rejected = test::rejected_changes(text, text.size(), 1000, kSeed, [](const std::string& changed) {
    const Dataset data = read(changed);
    CHECK(std::ranges::all_of(data.inputs.span<float>(), [](float value) { return std::isfinite(value); }));
    CHECK(std::ranges::all_of(data.labels.span<int64_t>(),
                              [&](int64_t label) { return label >= 0 && label < data.classes; }));
  });
  CHECK(rejected > 300);
}

TEST_CASE("digits: pixels in [0, 1] and the digit") {
  const TemporaryFolder folder;
  std::string line;
  for (int i = 0; i < 64; ++i) line += std::to_string(i % 17) + ",";
  const auto path = folder / "digits.csv";
  const Dataset data = read_digits(write_bytes(path, line + "7\n" + line + "0\n"));
  CHECK(data.inputs.shape() == Shape{2, 1, 8, 8});
  CHECK(data.classes == 10);
  CHECK(values<int64_t>(data.labels) == std::vector<int64_t>{7, 0});
  CHECK(values<float>(data.inputs)[16] == 1);
  CHECK(values<float>(data.inputs)[64 + 3] == 3 / 16.0f);

  const auto check = [&](const std::string& text, const char* part) {
    CHECK_THROWS_WITH_AS(read_digits(write_bytes(path, text)), doctest::Contains(part), Error);
  };
  check("", "empty");
  check(line + "7\n" + line + "10\n", "line 2: the digit");
  check(line + "2.5\n", "line 1: the digit");
  check(line + "-1\n", "line 1: the digit");
  check(line + "nan\n", "line 1, column 65");
  check("17" + line.substr(1) + "1\n", "line 1: pixel 1 must be from 0 to 16");
  check(line + "\n", "column 65: a number is missing");
  check("1,2,3\n", "line 1: 3 fields");
}

TEST_CASE("csv: the tables that come with Pleat") {
  const std::filesystem::path data = PLEAT_SOURCE_DIR "/data";
  const Dataset iris = read_csv(data / "iris.csv");
  CHECK(iris.inputs.shape() == Shape{150, 4});
  CHECK(iris.classes == 3);
  const Dataset wine = read_csv(data / "wine.csv");
  CHECK(wine.inputs.shape() == Shape{178, 13});
  CHECK(wine.classes == 3);
}

TEST_CASE("csv: broken lines are left out on request, and named") {
  const TemporaryFolder folder;
  const auto file = write_bytes(folder / "data.csv",
                                "a,b,class\n1,2,0\n3,x,1\n4,5\n6,nan,1\n\"7,8,0\n9,10,1\n11,12,\n1e99,0,1\n"
                                "\"13\"x,14,1\n15,16,0\n\"17,18,0\n\n");
  CHECK_THROWS_WITH_AS(read_csv(file), doctest::Contains("line 3, column 2 (b): 'x' is not a number"), Error);
  Skipped skipped;
  const Dataset data = read_csv(file, &skipped);
  CHECK(values<float>(data.inputs) == std::vector<float>{1, 2, 9, 10, 15, 16});
  CHECK(values<int64_t>(data.labels) == std::vector<int64_t>{0, 1, 0});
  CHECK(skipped.items == 8);
  REQUIRE(skipped.reasons.size() == 8);
  const char* places[] = {"line 3, column 2",    "line 4: 2 fields",  "line 5, column 2 (b): 'nan'",
                          "line 6: text after",  "line 8: the class", "line 9, column 1",
                          "line 10: text after", "line 12: the quote"};
  for (size_t i = 0; i < 8; ++i) {
    CAPTURE(skipped.reasons[i]);
    CHECK(skipped.reasons[i].find("data.csv: ") != std::string::npos);
    CHECK(skipped.reasons[i].find(places[i]) != std::string::npos);
  }

  Skipped all;
  const auto broken = write_bytes(folder / "broken.csv", "a,class\nx,1\ny,0\n");
  CHECK_THROWS_WITH_AS(read_csv(broken, &all), doctest::Contains("nothing follows the header that"), Error);
  // Not one line's fault.
  const auto header = write_bytes(folder / "header.csv", "1,2\n1,0\n2,1\n");
  CHECK_THROWS_WITH_AS(read_csv(header, &all), doctest::Contains("header"), Error);

  std::string line;
  for (int i = 0; i < 64; ++i) line += "1,";
  const auto digits =
      write_bytes(folder / "digits.csv", line + "3\n" + line + "10\n17," + line + "\n" + line + "4");
  CHECK_THROWS_WITH_AS(read_digits(digits), doctest::Contains("digits.csv: line 2"), Error);
  Skipped pixels;
  CHECK(values<int64_t>(read_digits(digits, &pixels).labels) == std::vector<int64_t>{3, 4});
  CHECK(pixels.items == 2);
}
