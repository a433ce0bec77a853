#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

namespace pleat::tools {

/// One line on stderr that tells how far the work is; nothing where stderr is not a terminal.
class Progress {
 public:
  Progress();
  ~Progress() { clear(); }
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `done` of `total` steps; drawn at most ten times a second.
  void update(int64_t done, int64_t total, double items_per_s, std::string_view detail);
  /// Removes the line, so that other text can be printed.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;

  bool terminal_;
  bool drawn_ = false;
  Clock::time_point start_ = Clock::now();
  Clock::time_point next_ = start_;
};

/// 75 as "1:15", 3700 as "1:01:40".
std::string clock_text(double seconds);

}  // namespace pleat::tools
