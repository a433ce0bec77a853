#include <algorithm>

#include "fuzz/fuzz.hpp"
#include "pleat/data.hpp"

// The first byte says how many of the others are the labels, the rest are the images.
extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const size_t labels_size = std::min<size_t>(data[0], size - 1);
  static pleat::test::MemoryFile labels;
  const std::filesystem::path labels_file = labels.holding({data + 1, labels_size});
  const auto read = [&](const auto& images) {
    pleat::Skipped skipped;
    pleat::read_idx(images, labels_file, &skipped);
    pleat::read_idx(images, labels_file);
  };
  return pleat::test::fuzz_reader(data + 1 + labels_size, size - 1 - labels_size, read);
}
