#pragma once

#include <functional>
#include <string>

#include "base/random.hpp"
#include "pleat/error.hpp"

namespace pleat::test {

/// Calls `read` with every part of the bytes that lacks the end; each must be an Error. Returns those that
/// were not.
inline int accepted_truncations(const std::string& bytes,
                                const std::function<void(const std::string&)>& read) {
  int accepted = 0;
  for (size_t size = 0; size < bytes.size(); ++size) {
    try {
      read(bytes.substr(0, size));
      ++accepted;
    } catch (const Error&) {
    }
  }
  return accepted;
}

/// Calls `read` with the bytes, one to four of them changed at random among the first `within`: success or
/// Error; any other exception leaves. Returns how many times it was an Error.
inline int rejected_changes(const std::string& bytes, size_t within, int times, uint64_t seed,
                            const std::function<void(const std::string&)>& read) {
  Random random(seed);
  int rejected = 0;
  for (int i = 0; i < times; ++i) {
    std::string changed = bytes;
    for (uint64_t n = 1 + random.below(4); n > 0; --n) {
      changed[random.below(within)] = static_cast<char>(random.below(256));
    }
    try {
      read(changed);
    } catch (const Error&) {
      ++rejected;
    }
  }
  return rejected;
}

}  // namespace pleat::test
