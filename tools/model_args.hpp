#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "checkpoint_info.hpp"
#include "inputs.hpp"
#include "pleat/data.hpp"
#include "pleat/model.hpp"
#include "pleat/models.hpp"

namespace pleat::tools {

/// required: by built-in networks; a model file brings its own.
enum class Weights : uint8_t { required, optional, none };

/// The options that choose a network: MODEL (a built-in one or an ONNX file), its sizes, its weights, threads
/// and seed.
struct ModelArgs {
  std::string model;
  std::string weights;
  std::optional<int64_t> features, hidden, channels, size, classes;
  int threads = 0;
  bool precise = false;
  uint64_t seed = 0;
  bool weights_required = false;
  std::vector<float> mean, std;  ///< of inputs, instead of the checkpoint's

  bool is_file() const;
  /// "resnet18", of a file "model".
  std::string short_name() const;
  void add_to(CLI::App& app, Weights weights_option);
  /// --mean and --std, for commands that read data; `otherwise` is the default where no checkpoint has them.
  void add_normalization_to(CLI::App& app, const std::string& otherwise = "none");
  /// What the command line says about sizes replaces what `sizes` says.
  models::Sizes override_sizes(models::Sizes sizes) const;
};

/// A network ready to run in evaluation mode.
struct OpenedModel {
  std::string name;
  models::Sizes sizes;
  Model model;
  std::optional<Normalization> normalization;  ///< of inputs, as the checkpoint says

  /// The network's, with kDynamic for the batch. Error where it has several.
  Shape input() const { return input_shape(model.graph(), name); }
  Shape output() const { return output_shape(model.graph(), name); }

  /// "--mean X,... --std X,...", for use with files that carry no normalization; empty without one.
  std::string normalization_options() const;
  /// ", for inputs normalized by --mean X,... --std X,...", to say of such a file; empty without one.
  std::string for_inputs() const;
  /// Normalizes inputs as in training and gives them the network's shape.
  Tensor prepare(Tensor inputs) const;
  void prepare(Dataset& data) const;
};

/// Builds the network and loads its weights. Sizes come from the command line, else from the checkpoint, else
/// from `data`, else they are the built-in model's own.
OpenedModel open_model(const ModelArgs& args, const Dataset* data = nullptr);

}  // namespace pleat::tools
