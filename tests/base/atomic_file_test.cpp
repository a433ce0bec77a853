#include "base/atomic_file.hpp"

#include <doctest/doctest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>

#include "pleat/error.hpp"
#include "support/temporary_folder.hpp"

using namespace pleat;
using pleat::test::count_files;
using pleat::test::read_bytes;
using pleat::test::TemporaryFolder;
using pleat::test::write_bytes;

namespace {

/// Writes beyond so many bytes of a file fail, as on a full disk.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &old_);
    rlimit limit = old_;
    limit.rlim_cur = bytes;
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  rlimit old_;
  void (*handler_)(int);
};

}  // namespace

TEST_CASE("atomic file: appears whole at commit, and not before") {
  const TemporaryFolder folder;
  const auto path = folder / "file";
  AtomicFile file(path);
  file.write("one ");
  file.write("two");
  CHECK_FALSE(std::filesystem::exists(path));
  file.commit();
  CHECK(read_bytes(path) == "one two");
  CHECK(count_files(folder.path()) == 1);
}

TEST_CASE("atomic file: without commit the old file stays and nothing is left") {
  const TemporaryFolder folder;
  const auto path = write_bytes(folder / "file", "old");
  { AtomicFile(path).write("new"); }
  CHECK(read_bytes(path) == "old");
  CHECK(count_files(folder.path()) == 1);
}

TEST_CASE("atomic file: a write that fails leaves the old file") {
  const TemporaryFolder folder;
  const auto path = write_bytes(folder / "file", "old");
  {
    const FileSizeLimit limit(1000);
    CHECK_THROWS_WITH_AS(write_atomically(path, std::string(5000, 'x')), doctest::Contains("cannot write"),
                         Error);
  }
  CHECK(read_bytes(path) == "old");
  CHECK(count_files(folder.path()) == 1);
}

TEST_CASE("atomic file: two writers of one file do not mix") {
  const TemporaryFolder folder;
  const auto path = folder / "file";
  AtomicFile first(path), second(path);
  first.write("first");
  second.write("2nd");
  first.commit();
  second.commit();
  CHECK(read_bytes(path) == "2nd");
  CHECK(count_files(folder.path()) == 1);
}

TEST_CASE("atomic file: writes through a symbolic link and keeps permissions") {
  const TemporaryFolder folder;
  const auto path = write_bytes(folder / "file", "old");
  ::chmod(path.c_str(), 0640);
  std::filesystem::create_symlink("file", folder / "link");
  write_atomically(folder / "link", "new");
  CHECK(read_bytes(path) == "new");
  CHECK(std::filesystem::is_symlink(folder / "link"));
  CHECK(std::filesystem::status(path).permissions() == std::filesystem::perms(0640));
}

TEST_CASE("atomic file: what cannot be written is an Error that names the file") {
  const TemporaryFolder folder;
  CHECK_THROWS_WITH_AS(AtomicFile(folder / "missing/file"), doctest::Contains("missing/file"), Error);
  CHECK_THROWS_WITH_AS(AtomicFile(folder.path()), doctest::Contains("not a regular file"), Error);
  CHECK_THROWS_WITH_AS(AtomicFile("/dev/null"), doctest::Contains("not a regular file"), Error);
}
