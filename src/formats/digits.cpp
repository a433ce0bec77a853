#include <cmath>

#include "formats/csv_lines.hpp"
#include "pleat/data.hpp"

namespace pleat {

Dataset read_digits(const std::filesystem::path& file, Skipped* skipped) {
  constexpr int64_t side = 8, classes = 10;
  constexpr size_t pixels = side * side;
  constexpr float brightest = 16;
  formats::CsvLines lines(file);
  std::vector<float> values, item(pixels);
  std::vector<int64_t> labels;
  formats::for_each_line(lines, skipped, [&] {
    if (lines.fields().size() != pixels + 1) {
      lines.fail_line(lines.fields().size(), " fields, ", pixels, " pixels and the digit are needed");
    }
    for (size_t i = 0; i < pixels; ++i) {
      const float value = lines.number(i);
      if (value < 0 || value > brightest) {
        lines.fail_line("pixel ", i + 1, " must be from 0 to ", brightest, ", got ", value);
      }
      item[i] = value / brightest;
    }
    const float digit = lines.number(pixels);
    if (!(digit >= 0 && digit < classes) || digit != std::floor(digit)) {
      lines.fail_line("the digit must be from 0 to 9, got ", digit);
    }
    values.insert(values.end(), item.begin(), item.end());
    labels.push_back(static_cast<int64_t>(digit));
  });
  if (labels.empty()) lines.fail_file(skipped ? "no line can be used" : "the file is empty");
  const auto items = static_cast<int64_t>(labels.size());
  return {Tensor::from({items, 1, side, side}, values), Tensor::from({items}, labels), classes};
}

}  // namespace pleat
