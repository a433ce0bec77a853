#include "base/zeroed_memory.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>

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

}  // namespace pleat
