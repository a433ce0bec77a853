#include "base/zeroed_memory.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

namespace pleat {

TEST_CASE("ZeroedMemory: zeros at a line's boundary, of every size, that move with their owner") {
  for (const size_t bytes : {size_t{0}, size_t{1}, size_t{100}, size_t{300} << 10, (size_t{9} << 20) + 5}) {
    CAPTURE(bytes);
    ZeroedMemory memory(bytes);
    REQUIRE(memory.data() != nullptr);
    CHECK(reinterpret_cast<uintptr_t>(memory.data()) % 64 == 0);
    CHECK(std::all_of(memory.data(), memory.data() + bytes, [](std::byte b) { return b == std::byte{0}; }));
    std::memset(memory.data(), 7, bytes);
    std::byte* const data = memory.data();
    ZeroedMemory other = std::move(memory);
    CHECK(memory.data() == nullptr);
    CHECK(other.data() == data);
    memory = ZeroedMemory(bytes);
    CHECK((bytes == 0 || memory.data()[bytes - 1] == std::byte{0}));
  }
}

TEST_CASE("ZeroedMemory: pieces beside one another are given back alone, and new ones are zero") {
  constexpr size_t size = 300 << 10;
  const auto is = [](const ZeroedMemory& memory, size_t bytes, std::byte value) {
    return std::all_of(memory.data(), memory.data() + bytes, [=](std::byte b) { return b == value; });
  };
  ZeroedMemory before(size), middle(size), after(size);
  for (const ZeroedMemory* memory : {&before, &middle, &after}) std::memset(memory->data(), 7, size);
  middle = ZeroedMemory();
  before = ZeroedMemory();
  CHECK(is(after, size, std::byte{7}));
  std::vector<ZeroedMemory> many;  // more than one mapping holds
  for (int i = 0; i < 20; ++i) {
    many.emplace_back(size_t{3} << 20);
    CHECK(is(many.back(), size_t{3} << 20, std::byte{0}));
    std::memset(many.back().data(), i, size_t{3} << 20);
  }
  for (int i = 0; i < 20; ++i)
    CHECK(is(many[static_cast<size_t>(i)], size_t{3} << 20, static_cast<std::byte>(i)));
}

}  // namespace pleat
