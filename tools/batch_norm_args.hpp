#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "pleat/batch_norm.hpp"
#include "pleat/train.hpp"

namespace pleat::tools {

inline constexpr const char* kRecomputeHelp =
    "Compute what BatchNorm gave again for the backward pass, instead of keeping it: less memory, the same "
    "bits";

/// The options of training in small batches: how BatchNorm trains, accumulation, averaged weights.
struct BatchNormArgs {
  std::optional<double> momentum;
  int64_t virtual_batch_size = 0;
  bool renorm = false;
  std::string single_value = "error";
  int64_t accumulate = 1;
  std::vector<std::string> layers;  ///< LAYER.OPTION=VALUE

  void add_to(CLI::App& app, FitOptions& fit);
  /// Sets what was given on every BatchNorm of the model, then on single layers, and how the optimizer
  /// accumulates. Error for a layer or an option that is not there.
  void apply(Model& model, FitOptions& fit) const;
};

}  // namespace pleat::tools
