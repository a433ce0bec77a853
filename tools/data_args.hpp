#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace pleat::tools {

/// --data SPEC, for pleat::load_data.
inline CLI::Option* add_data_option(CLI::App& app, std::string& spec, const std::string& meaning) {
  return app
      .add_option("--data", spec, meaning + ": digits, csv:FILE, idx:DIR (MNIST, Fashion-MNIST), cifar10:DIR")
      ->type_name("SPEC");
}

}  // namespace pleat::tools
