#include "base/atomic_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>

#include "base/format.hpp"

namespace pleat {
namespace {

namespace fs = std::filesystem;

/// The file itself where the path is a symbolic link to it.
fs::path resolved(const fs::path& file) {
  std::error_code error;
  const fs::path target = fs::is_symlink(file, error) ? fs::canonical(file, error) : file;
  return error ? file : target;
}

fs::path folder_of(const fs::path& file) {
  return file.has_parent_path() ? file.parent_path() : fs::path(".");
}

/// Unique in the folder: processes differ in their id, files of one process in the count.
fs::path temporary_name(const fs::path& file) {
  static std::atomic<uint64_t> count{0};
  const auto number = count.fetch_add(1, std::memory_order_relaxed);
  return folder_of(file) / concat(".", file.filename().string(), ".", ::getpid(), "-", number, ".tmp");
}

}  // namespace

AtomicFile::AtomicFile(const fs::path& file) : file_(resolved(file)), temporary_(temporary_name(file_)) {
  struct stat old;
  const bool replaces = ::stat(file_.c_str(), &old) == 0;
  if (replaces && !S_ISREG(old.st_mode)) fail(file_.string(), ": cannot write: not a regular file");
  // O_TRUNC, not O_EXCL: a file of that name can only be what a killed process of the same id left behind.
  descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
  if (descriptor_ < 0) fail_with_errno("create a file beside it");
  // What the file may be read by matters more to its owner than a file system without permissions.
  if (replaces && ::fchmod(descriptor_, old.st_mode & 07777) != 0 && errno != EPERM && errno != ENOTSUP) {
    const int error = errno;
    ::close(descriptor_);
    ::unlink(temporary_.c_str());
    errno = error;
    fail_with_errno("set permissions");
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  ::close(descriptor_);
  ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, size_t bytes) {
  const auto* source = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = ::write(descriptor_, source, bytes);
    if (written < 0) {
      if (errno == EINTR) continue;
      fail_with_errno("write");
    }
    source += written;
    bytes -= static_cast<size_t>(written);
  }
}

void AtomicFile::commit() {
  if (::fsync(descriptor_) != 0) fail_with_errno("sync");
  if (::rename(temporary_.c_str(), file_.c_str()) != 0) fail_with_errno("rename the finished file");
  ::close(descriptor_);
  descriptor_ = -1;
  // The rename survives a power cut once the folder is synced; some file systems cannot, and need not.
  const int folder = ::open(folder_of(file_).c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (folder >= 0) {
    ::fsync(folder);
    ::close(folder);
  }
}

void AtomicFile::fail_with_errno(const char* doing) const {
  const int error = errno;
  fail(file_.string(), ": cannot ", doing, ": ", std::strerror(error));
}

void write_atomically(const fs::path& file, std::string_view content) {
  AtomicFile out(file);
  out.write(content);
  out.commit();
}

}  // namespace pleat
