#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "output.hpp"

namespace pleat::tools {

// A run's options as a file: {"pleat": "0.1.0", "isa": "avx2", "train": {"MODEL": "cnn", "lr": 0.1, ...}}.

/// --config FILE: options of the subcommands from such a file; what the command line says wins. CLI11 knows a
/// configuration of the whole program only: a subcommand that takes one must fall through.
void add_config_option(CLI::App& app);

/// All options of a command that shape its result (those that are `configurable`), given or default. Without
/// what was neither given nor has a default.
Json options_json(const CLI::App& command);
/// The file for a command with these options.
Json config_json(const CLI::App& command, const Json& options);

/// Applies "name=value" as if the option had been given, instead of what was given; "layer.option=value" is
/// one more --bn. Error where there is no such option, or not for that value.
void set_option(CLI::App& command, const std::string& assignment);

}  // namespace pleat::tools
