#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace pleat::test {

struct ProcessResult {
  int exit_code = 0;  ///< 128 + signal where one ended it, as a shell says it
  std::string out, err;
};

/// A program at work in a folder of its own choice, its output kept in files beside it.
class Process {
 public:
  /// `variables`: "NAME=value", added to this process's environment.
  Process(const std::vector<std::string>& command, const std::filesystem::path& folder,
          const std::vector<std::string>& variables = {});
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  void signal(int number);
  /// What it has written to stdout so far.
  std::string out() const;
  ProcessResult wait();

 private:
  std::filesystem::path out_, err_;
  pid_t pid_ = -1;
};

/// Runs to the end.
ProcessResult run_process(const std::vector<std::string>& command, const std::filesystem::path& folder,
                          const std::vector<std::string>& variables = {});

}  // namespace pleat::test
