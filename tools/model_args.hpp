#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>

#include "checkpoint_info.hpp"
#include "pleat/data.hpp"
#include "pleat/model.hpp"
#include "pleat/models.hpp"

namespace pleat::tools {

enum class Weights : uint8_t { required, optional, none };

/// The options that choose a network: MODEL, its sizes, its weights, threads and seed.
struct ModelArgs {
  std::string model;
  std::string weights;
  std::optional<int64_t> features, hidden, channels, size, classes;
  int threads = 0;
  uint64_t seed = 0;

  void add_to(CLI::App& app, Weights weights_option);
  /// What the command line says about sizes replaces what `sizes` says.
  models::Sizes override_sizes(models::Sizes sizes) const;
};

/// A network ready to run in evaluation mode.
struct OpenedModel {
  std::string name;
  models::Sizes sizes;
  Shape input, output;  ///< the network's, with kDynamic for the batch
  Model model;
  std::optional<Normalization> normalization;  ///< of inputs, as the checkpoint says

  /// Normalizes inputs as in training and gives them the network's shape.
  Tensor prepare(Tensor inputs) const;
  void prepare(Dataset& data) const;
};

/// Builds the network and loads its weights. Sizes come from the command line, else from the checkpoint, else
/// from `data`, else they are the built-in model's own.
OpenedModel open_model(const ModelArgs& args, const Dataset* data = nullptr);

}  // namespace pleat::tools
