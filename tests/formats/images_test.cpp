#include <doctest/doctest.h>
#include <zlib.h>

#include <array>

#include "pleat/data.hpp"
#include "support/damage.hpp"
#include "support/temporary_folder.hpp"

using namespace pleat;
using pleat::test::read_bytes;
using pleat::test::TemporaryFolder;
using pleat::test::write_bytes;

namespace {

using Path = std::filesystem::path;

std::string idx(const std::vector<uint32_t>& dims, const std::string& bytes, char type = 8) {
  std::string text{0, 0, type, static_cast<char>(dims.size())};
  for (const uint32_t dim : dims) {
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(dim >> shift);
  }
  return text + bytes;
}

Path write_gzip(const Path& path, const std::string& bytes) {
  gzFile file = gzopen(path.c_str(), "wb9");
  REQUIRE(file != nullptr);
  CHECK(gzwrite(file, bytes.data(), static_cast<unsigned>(bytes.size())) == static_cast<int>(bytes.size()));
  CHECK(gzclose(file) == Z_OK);
  return path;
}

/// Bytes that do not pack well.
std::string noise(size_t count) {
  Random random(1);
  std::string bytes(count, '\0');
  for (char& byte : bytes) byte = static_cast<char>(random.bits());
  return bytes;
}

const std::string kImages = idx({2, 2, 3}, {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, '\xff'});
const std::string kLabels = idx({2}, {4, 1});

void check_small(const Dataset& data) {
  CHECK(data.inputs.shape() == Shape{2, 1, 2, 3});
  CHECK(data.inputs.span<float>()[5] == 5 / 255.0f);
  CHECK(data.inputs.span<float>()[11] == 1);
  CHECK(data.labels.span<int64_t>()[0] == 4);
  CHECK(data.labels.span<int64_t>()[1] == 1);
  CHECK(data.classes == 5);
}

std::string cifar_record(char label, char pixel) {
  return label + std::string(3072, pixel);
}

}  // namespace

TEST_CASE("idx: plain and gzip") {
  const TemporaryFolder folder;
  const Path images = write_bytes(folder / "images", kImages),
             labels = write_bytes(folder / "labels", kLabels);
  check_small(read_idx(images, labels));
  check_small(read_idx(write_gzip(folder / "images.gz", kImages), write_gzip(folder / "labels.gz", kLabels)));
}

TEST_CASE("idx: every fault is an Error that names the file") {
  const TemporaryFolder folder;
  const Path images = write_bytes(folder / "images", kImages),
             labels = write_bytes(folder / "labels", kLabels);
  const auto check = [&](const std::string& bytes, const char* part) {
    CAPTURE(part);
    const Path bad = write_bytes(folder / "bad", bytes), packed = write_gzip(folder / "bad.gz", bytes);
    CHECK_THROWS_WITH_AS(read_idx(bad, labels), doctest::Contains(part), Error);
    CHECK_THROWS_WITH_AS(read_idx(packed, labels), doctest::Contains(part), Error);
    CHECK_THROWS_WITH_AS(read_idx(packed, labels), doctest::Contains("bad.gz"), Error);
  };
  check("", "truncated");
  check("\x89PNG", "not an IDX file");
  check(idx({2, 2, 3}, "", 13), "IDX type 13");
  check(kLabels, "1 dimensions, 3 are needed");
  check(idx({2, 0, 3}, ""), "dimension 1 is 0");
  check(idx({0xffffffff, 0xffffffff, 0xffffffff}, ""), "too large");
  check(idx({0xffffffff, 28, 28}, "12345"), "truncated");
  check(kImages.substr(0, kImages.size() - 1), "truncated");
  check(kImages + "x", "more data");
  CHECK_THROWS_WITH_AS(read_idx(images, write_bytes(folder / "bad", idx({3}, "123"))),
                       doctest::Contains("3 labels, but"), Error);
  CHECK_THROWS_WITH_AS(read_idx(folder / "none", labels), doctest::Contains("no such file"), Error);
  CHECK_THROWS_WITH_AS(read_idx(folder.path(), labels), doctest::Contains("not a regular file"), Error);
}

TEST_CASE("idx: cut or changed anywhere") {
  const TemporaryFolder folder;
  const std::string bytes = idx({4, 8, 8}, noise(256));
  const Path labels = write_bytes(folder / "labels", idx({4}, {0, 1, 2, 3}));
  const Path packed = write_gzip(folder / "images.gz", bytes);
  const auto read = [&](const std::string& damaged) {
    const Dataset data = read_idx(write_bytes(folder / "damaged", damaged), labels);
    CHECK(data.inputs.numel() == 256);
  };
  CHECK(test::accepted_truncations(bytes, read) == 0);
  CHECK(test::accepted_truncations(read_bytes(packed), read) == 0);
  constexpr uint64_t kSeed = 1;
  CHECK(test::rejected_changes(bytes, 16, 300, kSeed, read) > 200);
  const std::string gzip = read_bytes(packed);
  CHECK(test::rejected_changes(gzip, gzip.size(), 300, kSeed, read) > 200);
}

TEST_CASE("cifar10: records of a label and three planes") {
  const TemporaryFolder folder;
  const std::array files{write_bytes(folder / "1.bin", cifar_record(3, 0) + cifar_record(9, '\xff')),
                         write_bytes(folder / "2.bin", cifar_record(0, 51))};
  const Dataset data = read_cifar10(files);
  CHECK(data.inputs.shape() == Shape{3, 3, 32, 32});
  CHECK(data.classes == 10);
  const auto labels = data.labels.span<int64_t>();
  CHECK(std::vector<int64_t>(labels.begin(), labels.end()) == std::vector<int64_t>{3, 9, 0});
  CHECK(data.inputs.span<float>()[3071] == 0);
  CHECK(data.inputs.span<float>()[3072] == 1);
  CHECK(data.inputs.span<float>()[6144] == 51 / 255.0f);
}

TEST_CASE("cifar10: faults") {
  const TemporaryFolder folder;
  const auto check = [&](const std::string& bytes, const char* part) {
    const std::array files{write_bytes(folder / "bad.bin", bytes)};
    CHECK_THROWS_WITH_AS(read_cifar10(files), doctest::Contains(part), Error);
    CHECK_THROWS_WITH_AS(read_cifar10(files), doctest::Contains("bad.bin"), Error);
  };
  check("", "not a multiple");
  check(cifar_record(1, 1) + "x", "not a multiple");
  check(cifar_record(1, 1).substr(1), "not a multiple");
  check(cifar_record(1, 1) + cifar_record(10, 1), "image 1: label 10");
  CHECK_THROWS_WITH_AS(read_cifar10({}), doctest::Contains("no files"), Error);
}

TEST_CASE("cifar10: broken records are left out on request, and named") {
  const TemporaryFolder folder;
  const std::array files{
      write_bytes(folder / "1.bin", cifar_record(3, 0) + cifar_record(10, 1) + cifar_record(9, 2)),
      write_bytes(folder / "2.bin", cifar_record(0, 51) + "cut")};
  CHECK_THROWS_WITH_AS(read_cifar10(files),
                       doctest::Contains("2.bin: not CIFAR-10's binary layout, or truncated"), Error);
  Skipped skipped;
  const Dataset data = read_cifar10(files, &skipped);
  CHECK(data.inputs.shape() == Shape{3, 3, 32, 32});
  const auto labels = data.labels.span<int64_t>();
  CHECK(std::vector<int64_t>(labels.begin(), labels.end()) == std::vector<int64_t>{3, 9, 0});
  CHECK(data.inputs.span<float>()[3072] == 2 / 255.0f);
  CHECK(skipped.items == 2);
  REQUIRE(skipped.reasons.size() == 2);
  CHECK(skipped.reasons[0].find("2.bin: ") != std::string::npos);
  CHECK(skipped.reasons[0].find("image 1 has 3 of 3073 bytes") != std::string::npos);
  CHECK(skipped.reasons[1].find("1.bin: image 1: label 10") != std::string::npos);

  const std::array useless{write_bytes(folder / "3.bin", cifar_record(11, 0))};
  CHECK_THROWS_WITH_AS(read_cifar10(useless, &skipped), doctest::Contains("3.bin: no image"), Error);
}

TEST_CASE("idx: a file that ends too early gives what it has on request, and is named") {
  const TemporaryFolder folder;
  const std::string bytes = idx({9, 8, 8}, noise(9 * 64)), names = idx({9}, {0, 1, 2, 3, 4, 5, 6, 7, 8});
  const Path labels = write_bytes(folder / "labels", names);
  const Path plain = write_bytes(folder / "images", bytes.substr(0, 16 + 5 * 64 + 7));
  const std::string whole_gzip = read_bytes(write_gzip(folder / "whole.gz", bytes));
  const Path packed = write_bytes(folder / "images.gz", whole_gzip.substr(0, whole_gzip.size() / 2));
  for (const Path& images : {plain, packed}) {
    CAPTURE(images);
    CHECK_THROWS_WITH_AS(read_idx(images, labels), doctest::Contains("truncated"), Error);
    Skipped skipped;
    const Dataset data = read_idx(images, labels, &skipped);
    const int64_t n = data.size();
    if (images == plain) CHECK(n == 5);
    CHECK(n >= 3);
    CHECK(n < 9);
    CHECK(data.inputs.shape() == Shape{n, 1, 8, 8});
    CHECK(data.labels.span<int64_t>().back() == n - 1);
    CHECK(data.classes == n);
    const auto last = static_cast<unsigned char>(bytes[static_cast<size_t>(16 + n * 64 - 1)]);
    CHECK(data.inputs.span<float>().back() == static_cast<float>(last) / 255.0f);
    CHECK(skipped.items == 9 - n);
    REQUIRE(skipped.reasons.size() == 1);
    CHECK(skipped.reasons[0] == images.string() + ": truncated at item " + std::to_string(n) + " of 9");
  }

  // Too few labels; only the checksum gone; a header alone; damage, which may be anywhere.
  Skipped skipped;
  const Path images = write_bytes(folder / "images", bytes);
  const Path few = write_bytes(folder / "few", names.substr(0, names.size() - 2));
  CHECK(read_idx(images, few, &skipped).size() == 7);
  CHECK(skipped.items == 2);
  const Path unsure = write_bytes(folder / "images.gz", whole_gzip.substr(0, whole_gzip.size() - 3));
  CHECK(read_idx(unsure, labels, &skipped).size() == 9);
  CHECK(skipped.items == 2);
  CHECK(skipped.reasons.back().find("images.gz: truncated") != std::string::npos);
  const Path none = write_bytes(folder / "none", bytes.substr(0, 16));
  CHECK_THROWS_WITH_AS(read_idx(none, labels, &skipped), doctest::Contains("none: no image"), Error);
  const Path huge = write_bytes(folder / "huge", idx({9, 65535, 65535}, "few"));
  CHECK_THROWS_WITH_AS(read_idx(huge, labels, &skipped), doctest::Contains("huge: no image"), Error);
  std::string damaged = whole_gzip;
  damaged[damaged.size() - 6] ^= 1;  // of the checksum
  CHECK_THROWS_WITH_AS(read_idx(write_bytes(folder / "damaged.gz", damaged), labels, &skipped),
                       doctest::Contains("damaged"), Error);
}
