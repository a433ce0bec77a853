#pragma once

#include <initializer_list>
#include <ostream>
#include <string>

#include "pleat/error.hpp"

namespace pleat {

/// Something that a stream can write, its type forgotten: messages of many kinds then compile to little code.
struct Streamed {
  const void* value;
  void (*write)(std::ostream&, const void*);

  template <class T>
  static Streamed of(const T& value) {
    return {&value, [](std::ostream& out, const void* p) { out << *static_cast<const T*>(p); }};
  }
};

/// All of them, streamed into one string.
std::string concat_all(std::initializer_list<Streamed> parts);
/// Throws Error with that text.
[[noreturn]] void fail_with(std::initializer_list<Streamed> parts);

template <class... Args>
std::string concat(const Args&... args) {
  return concat_all({Streamed::of(args)...});
}

template <class... Args>
[[noreturn]] void fail(const Args&... args) {
  fail_with({Streamed::of(args)...});
}

}  // namespace pleat
