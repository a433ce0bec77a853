#include <exception>
#include <iostream>
#include <memory>
#include <new>
#include <vector>

#include "commands.hpp"
#include "config.hpp"
#include "help.hpp"
#include "pleat/isa.hpp"

namespace {

constexpr int kFailure = 1, kUsage = 2;

int run(int argc, char** argv) {
  using namespace pleat::tools;
  CLI::App app(
      "Trains neural networks with batch normalization, folds it away, and serves the folded network.",
      "pleat");
  app.require_subcommand(1);
  app.option_defaults()->always_capture_default();
  app.formatter(std::make_shared<HelpFormatter>());
  add_config_option(app);
  const std::vector<Command> commands = {add_train(app),  add_eval(app),   add_fold(app),
                                         add_run(app),    add_bench(app),  add_info(app),
                                         add_verify(app), add_export(app), add_recalibrate(app)};
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : kUsage;
  }
  pleat::active_isa();  // a wrong PLEAT_ISA is said before any work
  for (const Command& command : commands) {
    if (command.parser->parsed()) return command.run();
  }
  return kUsage;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    std::cerr << "pleat: not enough memory; a smaller --batch needs less\n";
  } catch (const std::exception& error) {
    std::cerr << "pleat: " << error.what() << '\n';
  }
  return kFailure;
}
