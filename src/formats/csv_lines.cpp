#include "formats/csv_lines.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "formats/input_file.hpp"

namespace pleat::formats {
namespace {

constexpr std::string_view kByteOrderMark = "\xef\xbb\xbf";
constexpr std::string_view kBlanks = " \t";

std::string_view trimmed(std::string_view text) {
  const size_t begin = text.find_first_not_of(kBlanks);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kBlanks) + 1 - begin);
}

}  // namespace

CsvLines::CsvLines(const std::filesystem::path& file) : name_(file.string()), text_(read_text_file(file)) {
  if (text_.starts_with(kByteOrderMark)) position_ = kByteOrderMark.size();
}

bool CsvLines::next() {
  while (position_ < text_.size()) {
    line_ = breaks_ + 1;
    begin_ = position_;
    try {
      read_line();
    } catch (const Error&) {
      position_ = std::min(text_.find('\n', begin_), text_.size() - 1) + 1;
      breaks_ = line_;
      throw;
    }
    if (fields_.size() > 1 || !fields_[0].empty()) return true;
  }
  return false;
}

bool CsvLines::at_line_end() const {
  const std::string_view rest = std::string_view(text_).substr(position_);
  return rest.empty() || rest[0] == '\n' || rest.starts_with("\r\n") || rest == "\r";
}

void CsvLines::read_line() {
  fields_.clear();
  while (true) {
    const size_t begin = std::min(text_.find_first_not_of(kBlanks, position_), text_.size());
    if (begin < text_.size() && text_[begin] == '"') {
      position_ = begin + 1;
      fields_.push_back(read_quoted());
    } else {
      fields_.push_back(read_plain());
    }
    if (at_line_end()) break;
    ++position_;  // the comma
  }
  if (position_ < text_.size()) {
    position_ = std::min(text_.find('\n', position_), text_.size() - 1) + 1;
    ++breaks_;
  }
}

std::string CsvLines::read_quoted() {
  std::string field;
  while (true) {
    const size_t quote = text_.find('"', position_);
    if (quote == std::string::npos) fail_line("the quote of field ", fields_.size() + 1, " is not closed");
    breaks_ += std::count(text_.begin() + static_cast<std::ptrdiff_t>(position_),
                          text_.begin() + static_cast<std::ptrdiff_t>(quote), '\n');
    field.append(text_, position_, quote - position_);
    position_ = quote + 1;
    if (position_ >= text_.size() || text_[position_] != '"') break;
    field += '"';
    ++position_;
  }
  position_ = std::min(text_.find_first_not_of(kBlanks, position_), text_.size());
  if (!at_line_end() && text_[position_] != ',') {
    fail_line("text after the closing quote of field ", fields_.size() + 1);
  }
  return field;
}

std::string CsvLines::read_plain() {
  const size_t begin = position_;
  while (!at_line_end() && text_[position_] != ',') ++position_;
  return std::string(trimmed(std::string_view(text_).substr(begin, position_ - begin)));
}

float CsvLines::number(size_t column, const std::string& column_name) const {
  constexpr size_t enough = 40;
  const std::string& field = fields_[column];
  const auto fail_column = [&](const auto&... text) {
    fail(name_, ": line ", line_, ", column ", column + 1, column_name.empty() ? "" : " (", column_name,
         column_name.empty() ? "" : ")", ": ", text...);
  };
  if (field.empty()) fail_column("a number is missing");
  const std::string shown = field.substr(0, enough);
  const char* begin = field.data() + (field[0] == '+' ? 1 : 0);
  const char* end = field.data() + field.size();
  double value = 0;
  const auto [parsed, error] = std::from_chars(begin, end, value);
  if (error == std::errc::invalid_argument || parsed != end) fail_column("'", shown, "' is not a number");
  const auto rounded = static_cast<float>(value);
  if (error != std::errc() || !std::isfinite(rounded)) fail_column("'", shown, "' is not a finite number");
  return rounded;
}

}  // namespace pleat::formats
