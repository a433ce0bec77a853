#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "base/format.hpp"
#include "formats/skip.hpp"

namespace pleat::formats {

/// A CSV file (RFC 4180: commas, fields in double quotes where wanted, LF or CRLF), line by line. Blank lines
/// and a byte order mark are skipped; spaces around a field that is not quoted are cut off.
class CsvLines {
 public:
  explicit CsvLines(const std::filesystem::path& file);

  /// The next line's fields; false at the end. After an Error it goes on with the line after that one.
  bool next();
  const std::vector<std::string>& fields() const { return fields_; }
  /// A field of the line as a finite f32 number, or Error naming line and column. `column_name` may be empty.
  float number(size_t column, const std::string& column_name = {}) const;

  /// Throws Error with the file's name and the line before the text.
  template <class... Args>
  [[noreturn]] void fail_line(const Args&... args) const {
    fail(name_, ": line ", line_, ": ", args...);
  }
  template <class... Args>
  [[noreturn]] void fail_file(const Args&... args) const {
    fail(name_, ": ", args...);
  }

 private:
  bool at_line_end() const;
  void read_line();
  std::string read_quoted();
  std::string read_plain();

  std::string name_, text_;
  size_t position_ = 0;
  size_t begin_ = 0;    // of the line
  int64_t line_ = 0;    // where the fields begin, from 1
  int64_t breaks_ = 0;  // line breaks before position_
  std::vector<std::string> fields_;
};

/// read() for each line; one where that or the line itself fails is noted where `skipped` is given.
template <class Read>
void for_each_line(CsvLines& lines, Skipped* skipped, const Read& read) {
  bool more = true;
  while (more) {
    read_or_skip(skipped, [&] {
      more = lines.next();
      if (more) read();
    });
  }
}

}  // namespace pleat::formats
