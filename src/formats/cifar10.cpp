#include <vector>

#include "formats/input_file.hpp"
#include "formats/pixels.hpp"
#include "pleat/data.hpp"

// The file: records of a label (1 byte) and 32 x 32 pixels, first all red, then green, then blue.
// https://www.cs.toronto.edu/~kriz/cifar.html

namespace pleat {

Dataset read_cifar10(std::span<const std::filesystem::path> paths) {
  constexpr int64_t side = 32, channels = 3, classes = 10;
  constexpr size_t pixels = channels * side * side, record = 1 + pixels;
  std::vector<formats::InputFile> files;
  int64_t items = 0;
  for (const auto& path : paths) {
    const formats::InputFile& file = files.emplace_back(path);
    if (file.size() == 0 || file.size() % record != 0) {
      file.fail("not CIFAR-10's binary layout: ", file.size(), " bytes, not a multiple of ", record);
    }
    items += static_cast<int64_t>(file.size() / record);
  }
  if (items == 0) fail("cifar10: no files given");

  Dataset data{Tensor({items, channels, side, side}), Tensor({items}, DType::i64), classes};
  auto* values = data.inputs.data<float>();
  auto* labels = data.labels.data<int64_t>();
  std::vector<uint8_t> bytes(record);
  for (formats::InputFile& file : files) {
    for (uint64_t i = 0; file.remaining() > 0; ++i, values += pixels) {
      file.read(bytes.data(), record);
      if (bytes[0] >= classes) file.fail("image ", i, ": label ", int{bytes[0]}, " is not one of 0 to 9");
      *labels++ = bytes[0];
      formats::scale_pixels(bytes.data() + 1, pixels, values);
    }
  }
  return data;
}

}  // namespace pleat
