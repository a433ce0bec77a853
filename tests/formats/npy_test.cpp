#include "pleat/npy.hpp"

#include <doctest/doctest.h>

#include <cstring>

#include "support/damage.hpp"
#include "support/temporary_folder.hpp"

using namespace pleat;
using pleat::test::read_bytes;
using pleat::test::TemporaryFolder;
using pleat::test::write_bytes;

namespace {

/// A file of that version, header and so many bytes of data.
std::string file_of(const std::string& header, size_t data_size, char version = 1) {
  std::string bytes = std::string("\x93NUMPY") + version + '\0';
  for (int i = 0; i < (version == 1 ? 2 : 4); ++i) bytes += static_cast<char>(header.size() >> (8 * i));
  return bytes + header + std::string(data_size, '\0');
}

std::string dict(const std::string& descr, const std::string& fortran, const std::string& shape) {
  return "{'descr': " + descr + ", 'fortran_order': " + fortran + ", 'shape': " + shape + ", }\n";
}

/// The Error's text of reading those bytes; empty where they are read.
std::string fault(const TemporaryFolder& folder, const std::string& bytes) {
  try {
    read_npy(write_bytes(folder / "broken.npy", bytes));
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

template <class T>
void check_round_trip(const Shape& shape) {
  CAPTURE(shape.str());
  const TemporaryFolder folder;
  Tensor tensor(shape, dtype_of<T>());
  T value = -3;
  for (T& element : tensor.span<T>()) element = value++;
  write_npy(folder / "a.npy", tensor);
  CHECK(read_bytes(folder / "a.npy").find('\n') % 64 == 63);
  const Tensor back = read_npy(folder / "a.npy");
  CHECK(back.shape() == shape);
  REQUIRE(back.dtype() == tensor.dtype());
  CHECK(std::memcmp(back.raw(), std::as_const(tensor).raw(), tensor.bytes()) == 0);
}

}  // namespace

TEST_CASE("npy: what is written is read back") {
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{5}, Shape{2, 3}, Shape{0, 3}, Shape{2, 1, 3, 4, 1}}) {
    check_round_trip<float>(shape);
    check_round_trip<double>(shape);
    check_round_trip<int64_t>(shape);
  }
}

TEST_CASE("npy: the bytes that numpy.save writes") {
  const TemporaryFolder folder;
  write_npy(folder / "a.npy", Tensor::from<float>({2, 1}, {1, 2}));
  std::string header = "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }";
  header.resize(128 - 10 - 1, ' ');
  std::string bytes = file_of(header + '\n', 0);
  bytes += std::string("\x00\x00\x80\x3f\x00\x00\x00\x40", 8);
  CHECK(read_bytes(folder / "a.npy") == bytes);
}

TEST_CASE("npy: versions 2 and 3, and other spellings of the header") {
  const TemporaryFolder folder;
  const auto shape_of = [&](const std::string& bytes) {
    return read_npy(write_bytes(folder / "a.npy", bytes)).shape();
  };
  CHECK(shape_of(file_of(dict("'<f4'", "False", "(3, 2)"), 24, 2)) == Shape{3, 2});
  CHECK(shape_of(file_of(dict("'<f8'", "False", "(3,)"), 24, 3)) == Shape{3});
  CHECK(shape_of(file_of("{\"shape\":(1,2),\"descr\":\"<i8\",\"fortran_order\":False}", 16)) == Shape{1, 2});
}

TEST_CASE("npy: every fault is an Error that names it") {
  const TemporaryFolder folder;
  const auto check = [&](const std::string& bytes, const char* part) {
    const std::string text = fault(folder, bytes);
    CAPTURE(text);
    CHECK(text.find("broken.npy") != std::string::npos);
    CHECK(text.find(part) != std::string::npos);
  };
  const std::string good = dict("'<f4'", "False", "(2,)");
  check("", "not a NumPy");
  check("PK\3\4 an npz file", "not a NumPy");
  check(file_of(good, 8, 4), "version 4.0");
  check(file_of(good, 8).substr(0, 20), "truncated");
  check(file_of(good, 7), "truncated");
  check(file_of(good, 9), "too long");
  check(file_of(dict("'<f4'", "True", "(2, 2)"), 16), "Fortran order");
  check(file_of(dict("'>f4'", "False", "(2,)"), 8), "big-endian");
  check(file_of(dict("'<f2'", "False", "(2,)"), 4), "'<f2' is not supported");
  check(file_of(dict("'|O'", "False", "(2,)"), 4), "'|O' is not supported");
  check(file_of(dict("[('a', '<f4')]", "False", "(2,)"), 8), "structured");
  check(file_of(dict("'<f4'", "None", "(2,)"), 8), "'fortran_order'");
  check(file_of(dict("'<f4'", "False", "2"), 8), "'(' expected");
  check(file_of(dict("'<f4'", "False", "(2)"), 8), "tuple");
  check(file_of(dict("'<f4'", "False", "(-2,)"), 8), "whole number");
  check(file_of(dict("'<f4'", "False", "(2.0,)"), 8), "expected");
  check(file_of(dict("'<f4'", "False", "(,)"), 8), "whole number");
  check(file_of(dict("'<f4'", "False", "(99999999999999999999,)"), 8), "too large");
  check(file_of(dict("'<f4'", "False", "(4294967296, 4294967296)"), 8), "too large");
  check(file_of(dict("'<f4'", "False", "(0, 4294967296, 4294967296)"), 0), "too large");
  check(file_of(dict("'<f4'", "False", "(1000000000000,)"), 8), "truncated");
  std::string ones;
  for (int i = 0; i < 1000; ++i) ones += "1,";
  check(file_of(dict("'<f4'", "False", "(" + ones + ")"), 4), "64 dimensions");
  check(file_of("{}", 0), "missing");
  check(file_of("", 0), "'{' expected");
  check(file_of("{'descr': '<f4', 'descr': '<f4'}", 0), "repeated key");
  check(file_of("{'descr': '<f4', 'more': 1}", 0), "unknown or repeated key 'more'");
  check(file_of(good + "x", 8), "after the dict");
  check(file_of("{'descr': '<f4", 0), "not closed");
}

TEST_CASE("npy: cut anywhere it is an Error") {
  const TemporaryFolder folder;
  write_npy(folder / "a.npy", Tensor::from<float>({2, 2}, {1, 2, 3, 4}));
  CHECK(test::accepted_truncations(read_bytes(folder / "a.npy"), [&](const std::string& cut) {
          read_npy(write_bytes(folder / "cut.npy", cut));
        }) == 0);
}

TEST_CASE("npy: changed bytes give an Error or an array that fits the file") {
  const TemporaryFolder folder;
  write_npy(folder / "a.npy", Tensor::from<float>({2, 2}, {1, 2, 3, 4}));
  const std::string bytes = read_bytes(folder / "a.npy");
  constexpr size_t kTextEnd = 75;  // after it come the padding and the data
  constexpr uint64_t kSeed = 1;
  const int rejected = test::rejected_changes(bytes, kTextEnd, 1000, kSeed, [&](const std::string& changed) {
    const Tensor tensor = read_npy(write_bytes(folder / "changed.npy", changed));
    CHECK(tensor.bytes() == 16);
  });
  CHECK(rejected > 500);
}

TEST_CASE("npy: what cannot be written is an Error, and the old file stays") {
  const TemporaryFolder folder;
  const auto path = write_bytes(folder / "a.npy", "old");
  CHECK_THROWS_WITH_AS(write_npy(path, Tensor()), doctest::Contains("without a shape"), Error);
  CHECK_THROWS_WITH_AS(write_npy(path, Tensor(Shape(std::vector<int64_t>(65, 1)))),
                       doctest::Contains("65 dimensions"), Error);
  CHECK(read_bytes(path) == "old");
  CHECK(test::count_files(folder.path()) == 1);
}
