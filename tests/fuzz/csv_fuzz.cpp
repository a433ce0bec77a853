#include "fuzz/fuzz.hpp"
#include "pleat/data.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  return pleat::test::fuzz_reader(data, size, [](const auto& file) {
    pleat::Skipped skipped;
    pleat::read_csv(file, &skipped);
    pleat::read_csv(file);
  });
}
