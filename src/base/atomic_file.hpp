#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

namespace pleat {

/// A file that is written whole or not at all. The bytes go to a temporary file in the same folder; commit()
/// syncs it and renames it over the file. Without commit(), or where anything fails, the old file stays as it
/// was and the temporary one is removed. Follows symbolic links; keeps the old file's permissions.
class AtomicFile {
 public:
  /// Error where the folder cannot be written to, or `file` exists and is not a regular file.
  explicit AtomicFile(const std::filesystem::path& file);
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;
  ~AtomicFile();

  /// Appends. Error where the disk is full or failing.
  void write(const void* data, size_t bytes);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Puts the file in its place; nothing can be written afterwards.
  void commit();

 private:
  [[noreturn]] void fail_with_errno(const char* doing) const;

  std::filesystem::path file_, temporary_;
  int descriptor_ = -1;
};

/// The file's whole content, in one go.
void write_atomically(const std::filesystem::path& file, std::string_view content);

}  // namespace pleat
