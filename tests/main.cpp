#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <string_view>

#include "support/small_fit.hpp"

int main(int argc, char** argv) {
  if (argc == 3 && std::string_view(argv[1]) == "fit_process") return pleat::test::fit_process(argv[2]);
  return doctest::Context(argc, argv).run();
}
