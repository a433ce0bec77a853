#include <algorithm>
#include <charconv>
#include <map>
#include <optional>

#include "formats/csv_lines.hpp"
#include "pleat/data.hpp"

namespace pleat {
namespace {

using formats::CsvLines;

std::optional<int64_t> whole_number(const std::string& text) {
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

bool looks_like_number(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error == std::errc() && end == text.data() + text.size();
}

std::vector<std::string> read_header(CsvLines& lines) {
  if (!lines.next()) lines.fail_file("the file is empty");
  const auto& names = lines.fields();
  if (names.size() < 2) lines.fail_line("at least one feature and the class are needed, got one column");
  if (std::all_of(names.begin(), names.end(), looks_like_number)) {
    lines.fail_line("a header with the columns' names is needed, got numbers");
  }
  return names;
}

/// Classes as numbers stay as they are; names are numbered in alphabetical order.
void number_classes(const CsvLines& lines, const std::vector<std::string>& classes, Dataset& data) {
  const auto items = static_cast<int64_t>(classes.size());
  std::vector<int64_t> labels(classes.size());
  bool all_numbers = true;
  std::map<std::string, int64_t> numbers;
  for (size_t i = 0; i < classes.size(); ++i) {
    const auto number = whole_number(classes[i]);
    all_numbers = all_numbers && number;
    labels[i] = number.value_or(0);
    numbers.emplace(classes[i], 0);
  }
  if (numbers.size() == 1) lines.fail_file("all ", items, " lines are of one class, '", classes[0], "'");
  if (all_numbers) {
    const auto [lowest, highest] = std::minmax_element(labels.begin(), labels.end());
    // More classes than items: an id or a measured value rather than a class.
    if (*lowest < 0 || *highest >= std::max<int64_t>(items, 2)) {
      lines.fail_file("classes must be numbered from 0; the last column has ", *lowest, " to ", *highest,
                      " in ", items, " lines");
    }
    data.classes = *highest + 1;
  } else {
    for (auto& [name, number] : numbers) number = data.classes++;
    for (size_t i = 0; i < classes.size(); ++i) labels[i] = numbers.at(classes[i]);
  }
  data.labels = Tensor::from<int64_t>({items}, labels);
}

}  // namespace

Dataset read_csv(const std::filesystem::path& file, Skipped* skipped) {
  CsvLines lines(file);
  const std::vector<std::string> names = read_header(lines);
  const size_t features = names.size() - 1;
  std::vector<float> values, item(features);
  std::vector<std::string> classes;
  formats::for_each_line(lines, skipped, [&] {
    if (lines.fields().size() != names.size()) {
      lines.fail_line(lines.fields().size(), " fields, the header has ", names.size());
    }
    for (size_t i = 0; i < features; ++i) item[i] = lines.number(i, names[i]);
    if (lines.fields()[features].empty()) lines.fail_line("the class (last column) is missing");
    values.insert(values.end(), item.begin(), item.end());
    classes.push_back(lines.fields()[features]);
  });
  if (classes.empty()) lines.fail_file("nothing follows the header", skipped ? " that can be used" : "");
  Dataset data;
  number_classes(lines, classes, data);
  data.inputs = Tensor::from({data.size(), static_cast<int64_t>(features)}, values);
  return data;
}

}  // namespace pleat
