#include "progress.hpp"

#include <unistd.h>

#include <cmath>
#include <cstdio>

#include "table.hpp"

namespace pleat::tools {

namespace {

constexpr int kBarWidth = 24;
constexpr auto kInterval = std::chrono::milliseconds(100);
constexpr const char* kEraseLine = "\r\033[K";

}  // namespace

Progress::Progress() : terminal_(isatty(STDERR_FILENO) == 1) {}

void Progress::update(int64_t done, int64_t total, double items_per_s, std::string_view detail) {
  const Clock::time_point now = Clock::now();
  if (!terminal_ || total <= 0 || now < next_) return;
  next_ = now + kInterval;
  drawn_ = true;
  const double share = static_cast<double>(done) / static_cast<double>(total);
  const double elapsed = std::chrono::duration<double>(now - start_).count();
  const double left = done > 0 ? elapsed * (1 - share) / share : 0;
  const auto filled = static_cast<size_t>(share * kBarWidth);
  std::string bar(filled, '=');
  bar.resize(kBarWidth, ' ');
  std::fprintf(stderr, "%s[%s] %3.0f %%  %s images/s  %s left  %.*s", kEraseLine, bar.c_str(), share * 100,
               grouped(std::llround(items_per_s)).c_str(), clock_text(left).c_str(),
               static_cast<int>(detail.size()), detail.data());
}

void Progress::clear() {
  if (drawn_) std::fputs(kEraseLine, stderr);
  drawn_ = false;
}

std::string clock_text(double seconds) {
  const long total = std::lround(seconds);
  char text[32];
  if (total >= 3600) {
    std::snprintf(text, sizeof text, "%ld:%02ld:%02ld", total / 3600, total / 60 % 60, total % 60);
  } else {
    std::snprintf(text, sizeof text, "%ld:%02ld", total / 60, total % 60);
  }
  return text;
}

}  // namespace pleat::tools
