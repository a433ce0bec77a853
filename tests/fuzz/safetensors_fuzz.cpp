#include "fuzz/fuzz.hpp"
#include "pleat/safetensors.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return pleat::test::fuzz_reader(data, size, [](const auto& file) { pleat::read_safetensors(file); });
}
