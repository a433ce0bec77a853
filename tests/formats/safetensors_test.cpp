#include "pleat/safetensors.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "support/damage.hpp"
#include "support/temporary_folder.hpp"

using namespace pleat;
using pleat::test::read_bytes;
using pleat::test::TemporaryFolder;
using pleat::test::write_bytes;

namespace {

/// A file of that header and so many bytes of data.
std::string file_of(const std::string& header, size_t data_size) {
  const uint64_t length = header.size();
  std::string bytes(sizeof(length), '\0');
  std::memcpy(bytes.data(), &length, sizeof(length));
  return bytes + header + std::string(data_size, '\1');
}

SafeTensors small_content() {
  SafeTensors content;
  content.tensors = {{"fc.weight", Tensor::from<float>({2, 3}, {1, -2, 3.5f, 4, 5, 6})},
                     {"bn.num_batches_tracked", Tensor::from<int64_t>({}, {7})},
                     {"bn.running_mean", Tensor::from<double>({2}, {0.1, -1e300})},
                     {"nothing", Tensor({0, 4})}};
  content.metadata = {{"epoch", "3"}, {"note", "naïve \"text\"\n"}};
  return content;
}

bool same(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

const Tensor& at(const SafeTensors& content, std::string_view name) {
  const Tensor* tensor = find(content.tensors, name);
  REQUIRE(tensor != nullptr);
  return *tensor;
}

/// The Error's text of reading those bytes; empty where they are read.
std::string fault(const TemporaryFolder& folder, const std::string& bytes) {
  try {
    read_safetensors(write_bytes(folder / "broken.safetensors", bytes));
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

}  // namespace

TEST_CASE("safetensors: what is written is read back, bit by bit") {
  const TemporaryFolder folder;
  const SafeTensors content = small_content();
  write_safetensors(folder / "a.safetensors", content);
  const SafeTensors back = read_safetensors(folder / "a.safetensors");
  CHECK(back.metadata == content.metadata);
  REQUIRE(back.tensors.size() == content.tensors.size());
  for (const auto& [name, tensor] : content.tensors) CHECK(same(at(back, name), tensor));
}

TEST_CASE("safetensors: no tensors and no metadata") {
  const TemporaryFolder folder;
  write_safetensors(folder / "empty.safetensors", {});
  const SafeTensors back = read_safetensors(folder / "empty.safetensors");
  CHECK(back.tensors.empty());
  CHECK(back.metadata.empty());
}

TEST_CASE("safetensors: the layout that other readers rely on") {
  const TemporaryFolder folder;
  write_safetensors(folder / "a.safetensors", small_content());
  const std::string bytes = read_bytes(folder / "a.safetensors");
  uint64_t length = 0;
  std::memcpy(&length, bytes.data(), sizeof(length));
  CHECK(length % 8 == 0);
  const auto header = nlohmann::ordered_json::parse(bytes.substr(8, length));
  uint64_t position = 0;
  for (const auto& [name, tensor] : header.items()) {
    if (name == "__metadata__") continue;
    CHECK(tensor["data_offsets"][0] == position);
    CHECK(position % (tensor["dtype"] == "F32" ? 4 : 8) == 0);
    position = tensor["data_offsets"][1];
  }
  CHECK(8 + length + position == bytes.size());
}

TEST_CASE("safetensors: tensors of one type keep their order") {
  const TemporaryFolder folder;
  SafeTensors content;
  for (const char* name : {"z", "a", "m"}) content.tensors.emplace_back(name, Tensor({2}));
  write_safetensors(folder / "a.safetensors", content);
  const SafeTensors back = read_safetensors(folder / "a.safetensors");
  for (size_t i = 0; i < 3; ++i) CHECK(back.tensors[i].first == content.tensors[i].first);
}

TEST_CASE("safetensors: a file that another writer made") {
  const TemporaryFolder folder;
  const std::string header =
      R"({"b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]},)"
      R"("a":{"data_offsets":[0,8],"shape":[2,1],"dtype":"F32"},"__metadata__":{"format":"pt"}}   )";
  const SafeTensors content = read_safetensors(write_bytes(folder / "a", file_of(header, 12)));
  CHECK(at(content, "a").shape() == Shape{2, 1});
  CHECK(at(content, "b").shape() == Shape{1});
  CHECK(content.metadata.at("format") == "pt");
}

TEST_CASE("safetensors: every fault is an Error that names it") {
  const TemporaryFolder folder;
  const auto header_fault = [&](const std::string& header, size_t data_size) {
    return fault(folder, file_of(header, data_size));
  };
  const auto check = [](const std::string& text, const char* part) {
    CAPTURE(text);
    CHECK(text.find("broken.safetensors") != std::string::npos);
    CHECK(text.find(part) != std::string::npos);
  };
  check(fault(folder, ""), "truncated");
  check(fault(folder, "1234567"), "truncated");
  check(fault(folder, std::string(8, '\xff') + "{}"), "truncated");
  check(header_fault("", 0), "bad header");
  check(header_fault("{", 0), "bad header");
  check(header_fault("[]", 0), "not an object");
  check(header_fault("{\"\xff\":1}", 0), "bad header");
  check(header_fault("{} {}", 0), "bad header");
  check(header_fault(std::string(100'000, '['), 0), "nested too deeply");
  check(header_fault(R"({"a":[[[[]]]]})", 0), "nested too deeply");
  check(header_fault(R"({"a":1})", 0), "not an object");
  check(header_fault(R"({"a":{}})", 0), "'dtype'");
  check(header_fault(R"({"a":{"dtype":1,"shape":[],"data_offsets":[0,4]}})", 4), "'dtype'");
  check(header_fault(R"({"a":{"dtype":"BF16","shape":[],"data_offsets":[0,2]}})", 2), "type BF16");
  check(header_fault(R"({"a":{"dtype":"F32","data_offsets":[0,4]}})", 4), "'shape'");
  check(header_fault(R"({"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}})", 4), "'shape'");
  check(header_fault(R"({"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}})", 4), "'shape'");
  check(header_fault(R"({"a":{"dtype":"F32","shape":[1e99],"data_offsets":[0,4]}})", 4), "'shape'");
  check(header_fault(R"({"a":{"dtype":"F32","shape":[]}})", 4), "'data_offsets'");
  check(header_fault(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,2,4]}})", 4), "two numbers");
  check(header_fault(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[4,0]}})", 4), "from 4 to 0");
  check(header_fault(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,8]}})", 4), "4 bytes of data");
  check(header_fault(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}})", 4), "needs 8 bytes");
  check(header_fault(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[0,4]}})", 5), "end at 4");
  check(header_fault(R"({"a":{"dtype":"F32","shape":[],"data_offsets":[4,8]}})", 8), "leaves a gap");
  check(header_fault(R"({"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},)"
                     R"("b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
                     12),
        "overlaps");
  check(header_fault(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},)"
                     R"("a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})",
                     8),
        "'a' appears twice");
  check(header_fault(R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4),
        "'dtype' appears twice");
  check(header_fault(R"({"__metadata__":{"a":1}})", 0), "'__metadata__'");
  check(header_fault(R"({"__metadata__":"a"})", 0), "'__metadata__'");
}

TEST_CASE("safetensors: shapes that overflow, and ranks without end") {
  const TemporaryFolder folder;
  const auto shape_fault = [&](const std::string& shape) {
    return fault(folder,
                 file_of(R"({"a":{"dtype":"F32","shape":[)" + shape + R"(],"data_offsets":[0,0]}})", 0));
  };
  for (const char* shape : {"4294967296,4294967296", "18446744073709551615", "4611686018427387904,4",
                            "9223372036854775807,9223372036854775807,0", "0,4294967296,4294967296"}) {
    CAPTURE(shape);
    CHECK(shape_fault(shape).find("too large") != std::string::npos);
  }
  std::string ones = "1";
  for (int i = 0; i < 1000; ++i) ones += ",1";
  CHECK(shape_fault(ones).find("1001 dimensions") != std::string::npos);
}

TEST_CASE("safetensors: cut anywhere it is an Error") {
  const TemporaryFolder folder;
  write_safetensors(folder / "a.safetensors", small_content());
  const std::string bytes = read_bytes(folder / "a.safetensors");
  CHECK(test::accepted_truncations(
            bytes, [&](const std::string& cut) { read_safetensors(write_bytes(folder / "cut", cut)); }) == 0);
}

TEST_CASE("safetensors: changed bytes give an Error or tensors that fit the file") {
  const TemporaryFolder folder;
  write_safetensors(folder / "a.safetensors", small_content());
  const std::string bytes = read_bytes(folder / "a.safetensors");
  uint64_t header_size = 0;
  std::memcpy(&header_size, bytes.data(), sizeof(header_size));
  const uint64_t data_size = bytes.size() - 8 - header_size;
  constexpr uint64_t kSeed = 1;
  const int rejected =
      test::rejected_changes(bytes, 8 + header_size, 1000, kSeed, [&](const std::string& changed) {
        const SafeTensors content = read_safetensors(write_bytes(folder / "changed", changed));
        uint64_t total = 0;
        for (const auto& [name, tensor] : content.tensors) total += tensor.bytes();
        CHECK(total == data_size);
      });
  CHECK(rejected > 500);
}

TEST_CASE("safetensors: what cannot be written is an Error, and the old file stays") {
  const TemporaryFolder folder;
  const auto path = folder / "a.safetensors";
  write_safetensors(path, small_content());
  const std::string before = read_bytes(path);
  const auto check = [&](StateDict tensors, const char* part) {
    CHECK_THROWS_WITH_AS(write_safetensors(path, {std::move(tensors), {}}), doctest::Contains(part), Error);
    CHECK(read_bytes(path) == before);
    CHECK(test::count_files(folder.path()) == 1);
  };
  check({{"a", Tensor()}}, "no shape");
  check({{"a", Tensor({1})}, {"a", Tensor({1})}}, "appears twice");
  check({{"__metadata__", Tensor({1})}}, "the format's own");
  check({{"\xff", Tensor({1})}}, "cannot write");
}

TEST_CASE("safetensors: no file, a folder") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH_AS(read_safetensors(folder / "none"), doctest::Contains("no such file"), Error);
  CHECK_THROWS_WITH_AS(read_safetensors(folder.path()), doctest::Contains("not a regular file"), Error);
}
