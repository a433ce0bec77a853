#pragma once

#include <string>
#include <string_view>

#include "pleat/error.hpp"

namespace pleat::test {

/// The Error's text; empty where there is none.
template <class Body>
std::string fault(const Body& body) {
  try {
    body();
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

inline bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

}  // namespace pleat::test
