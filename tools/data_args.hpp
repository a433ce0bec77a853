#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "output.hpp"
#include "pleat/data.hpp"

namespace pleat::tools {

/// --data SPEC, for pleat::load_data.
inline CLI::Option* add_data_option(CLI::App& app, std::string& spec, const std::string& meaning) {
  return app
      .add_option("--data", spec, meaning + ": digits, csv:FILE, idx:DIR (MNIST, Fashion-MNIST), cifar10:DIR")
      ->type_name("SPEC");
}

/// --data, and --skip-broken.
struct DataArgs {
  std::string spec;
  bool skip_broken = false;
  Skipped skipped = {};  ///< by load()

  CLI::Option* add_to(CLI::App& app, const std::string& meaning) {
    app.add_flag("--skip-broken", skip_broken,
                 "Leave out lines and images of the data that are broken, and say which");
    return add_data_option(app, spec, meaning);
  }

  Split load() {
    skipped = {};
    return load_data(spec, skip_broken ? &skipped : nullptr);
  }

  /// What was left out, as text and in a result; nothing without --skip-broken.
  void report(std::ostream& out, Json& result) const {
    if (!skip_broken) return;
    constexpr size_t kShown = 20;
    out << "left out " << skipped.items << " broken items of " << spec << (skipped.items > 0 ? ":" : "")
        << '\n';
    for (size_t i = 0; i < std::min(kShown, skipped.reasons.size()); ++i) {
      out << "  " << skipped.reasons[i] << '\n';
    }
    if (skipped.reasons.size() > kShown) {
      out << "  and " << skipped.reasons.size() - kShown << " more; --json lists all\n";
    }
    result["skipped"] = {{"items", skipped.items}, {"reasons", skipped.reasons}};
  }
};

}  // namespace pleat::tools
