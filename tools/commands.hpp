#pragma once

#include <CLI/CLI.hpp>
#include <functional>

namespace pleat::tools {

/// A subcommand: its part of the parser, and what it does once that has parsed. `run` returns the exit code.
struct Command {
  CLI::App* parser;
  std::function<int()> run;
};

Command add_train(CLI::App& app);
Command add_eval(CLI::App& app);
Command add_fold(CLI::App& app);
Command add_run(CLI::App& app);
Command add_bench(CLI::App& app);
Command add_info(CLI::App& app);
Command add_verify(CLI::App& app);
Command add_export(CLI::App& app);
Command add_recalibrate(CLI::App& app);

}  // namespace pleat::tools
