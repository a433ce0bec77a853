#include <vector>

#include "formats/input_file.hpp"
#include "formats/pixels.hpp"
#include "formats/skip.hpp"
#include "pleat/data.hpp"

// The file: records of a label (1 byte) and 32 x 32 pixels, first all red, then green, then blue.
// https://www.cs.toronto.edu/~kriz/cifar.html

namespace pleat {

Dataset read_cifar10(std::span<const std::filesystem::path> paths, Skipped* skipped) {
  constexpr int64_t side = 32, channels = 3, classes = 10;
  constexpr size_t pixels = channels * side * side, record = 1 + pixels;
  std::vector<formats::InputFile> files;
  int64_t items = 0;
  for (const auto& path : paths) {
    const formats::InputFile& file = files.emplace_back(path);
    if (file.size() == 0) file.fail("not CIFAR-10's binary layout: 0 bytes, not a multiple of ", record);
    formats::read_or_skip(skipped, [&] {
      if (file.size() % record == 0) return;
      file.fail("not CIFAR-10's binary layout, or truncated: image ", file.size() / record, " has ",
                file.size() % record, " of ", record, " bytes (", file.size(), " in all, not a multiple)");
    });
    items += static_cast<int64_t>(file.size() / record);
  }
  if (paths.empty()) fail("cifar10: no files given");

  Dataset data{Tensor({items, channels, side, side}), Tensor({items}, DType::i64), classes};
  int64_t kept = 0;
  std::vector<uint8_t> bytes(record);
  for (formats::InputFile& file : files) {
    for (uint64_t i = 0; file.remaining() >= record; ++i) {
      file.read(bytes.data(), record);
      const bool fine = formats::read_or_skip(skipped, [&] {
        if (bytes[0] >= classes) file.fail("image ", i, ": label ", int{bytes[0]}, " is not one of 0 to 9");
      });
      if (!fine) continue;
      data.labels.data<int64_t>()[kept] = bytes[0];
      formats::scale_pixels(bytes.data() + 1, pixels,
                            data.inputs.data<float>() + kept * static_cast<int64_t>(pixels));
      ++kept;
    }
  }
  if (kept == 0) files.front().fail("no image can be used");
  if (kept == items) return data;
  return {formats::first_items(data.inputs, kept), formats::first_items(data.labels, kept), classes};
}

}  // namespace pleat
