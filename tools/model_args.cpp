#include "model_args.hpp"

#include <algorithm>
#include <filesystem>

#include "inputs.hpp"
#include "pleat/error.hpp"
#include "pleat/onnx.hpp"
#include "pleat/safetensors.hpp"
#include "table.hpp"

namespace pleat::tools {

namespace {

/// Where a file leaves height and width open: ImageNet's.
const models::Sizes kFileSizes = {.height = 224, .width = 224};

std::string joined_names() {
  std::string text;
  for (const std::string& name : models::names()) text += (text.empty() ? "" : ", ") + name;
  return text;
}

/// Error where the checkpoint is another model's.
void check_model(const CheckpointInfo& info, const ModelArgs& args) {
  if (info.model.empty() || info.model == args.short_name()) return;
  throw Error(args.weights + " holds weights of " + info.model + ", not of " + args.model + ": give " +
              info.model + " as MODEL");
}

/// The weights of `file` that the model has a place for. A training checkpoint also holds the optimizer's
/// state.
void load_weights(Model& model, const SafeTensors& file, const std::string& path) {
  StateDict weights;
  for (const auto& [name, tensor] : file.tensors) {
    if (!name.starts_with("optimizer.")) weights.emplace_back(name, tensor);
  }
  try {
    model.load_state_dict(weights);
  } catch (const Error& error) {
    throw Error(path + ": " + error.what());
  }
}

/// What --mean and --std say, for each channel of that input.
Normalization given_normalization(const ModelArgs& args, const Shape& input) {
  const auto channels = static_cast<size_t>(input.rank() > 1 ? input[1] : 1);
  const auto spread = [&](const std::vector<float>& given, float missing, const char* option) {
    if (given.empty()) return std::vector<float>(channels, missing);
    if (given.size() == 1) return std::vector<float>(channels, given[0]);
    if (given.size() == channels) return given;
    throw Error(std::string(option) + " has " + std::to_string(given.size()) + " values; " + args.model +
                " has " + std::to_string(channels) + " channels");
  };
  Normalization normalization{spread(args.mean, 0, "--mean"), spread(args.std, 1, "--std")};
  for (const float std : normalization.std) {
    if (!(std > 0)) throw Error("--std must be above 0, got " + std::to_string(std));
  }
  return normalization;
}

}  // namespace

void ModelArgs::add_to(CLI::App& app, Weights weights_option) {
  app.add_option("MODEL", model, "FILE.onnx, or a built-in network: " + joined_names())
      ->required()
      ->type_name("");
  weights_required = weights_option == Weights::required;
  if (weights_option != Weights::none) {
    CLI::Option* option = app.add_option("--weights", weights, "Weights (safetensors, PyTorch's names)")
                              ->type_name("FILE")
                              ->check(CLI::ExistingFile);
    option->description(weights_required
                            ? "Weights (safetensors, PyTorch's names); an ONNX file has its own"
                            : "Weights (safetensors, PyTorch's names); random, or the file's, without");
  }
  app.add_option("--threads", threads, "Threads to compute with; 0: all CPUs")->check(CLI::Range(0, 1024));
  app.add_flag("--precise", precise, "No algorithm of convolution that rounds more than plain sums do");
  app.add_option("--seed", seed, "Seed of everything random")->type_name("N");

  const auto size_option = [&](const char* name, std::optional<int64_t>& target, const char* meaning) {
    app.add_option(name, target, meaning)
        ->check(CLI::Range(int64_t{1}, int64_t{1} << 24))
        ->type_name("N")
        ->group(
            "Sizes, where the network has a choice (default: the weights' file's, the data's, or its own)");
  };
  size_option("--hidden", hidden, "Width of the hidden layers of custom and mlp");
  size_option("--features", features, "Numbers an item of flat input");
  size_option("--channels", channels, "Channels of images");
  size_option("--size", size, "Height and width of images, pixels");
  size_option("--classes", classes, "Classes");
}

void ModelArgs::add_normalization_to(CLI::App& app, const std::string& otherwise) {
  const std::string group =
      "Normalization of inputs, (x - mean) / std (default: the checkpoint's, or " + otherwise + ")";
  app.add_option("--mean", mean, "A mean for each channel, or one; pixels are from 0 to 1")
      ->delimiter(',')
      ->type_name("X,...")
      ->group(group);
  app.add_option("--std", std, "A standard deviation for each channel, or one")
      ->delimiter(',')
      ->type_name("X,...")
      ->group(group);
}

bool ModelArgs::is_file() const {
  return model.ends_with(".onnx") || model.find('/') != std::string::npos;
}

std::string ModelArgs::short_name() const {
  return is_file() ? std::filesystem::path(model).stem().string() : model;
}

models::Sizes ModelArgs::override_sizes(models::Sizes sizes) const {
  sizes.hidden = hidden.value_or(sizes.hidden);
  sizes.features = features.value_or(sizes.features);
  sizes.channels = channels.value_or(sizes.channels);
  sizes.height = size.value_or(sizes.height);
  sizes.width = size.value_or(sizes.width);
  sizes.classes = classes.value_or(sizes.classes);
  return sizes;
}

std::string OpenedModel::normalization_options() const {
  if (!normalization) return "";
  const auto joined = [](const std::vector<float>& values) {
    std::string text;
    for (const float value : values) text += (text.empty() ? "" : ",") + number("%.9g", value);
    return text;
  };
  return "--mean " + joined(normalization->mean) + " --std " + joined(normalization->std);
}

std::string OpenedModel::for_inputs() const {
  return normalization ? ", for inputs normalized by " + normalization_options() : "";
}

Tensor OpenedModel::prepare(Tensor inputs) const {
  Shape wanted = input();
  if (wanted.rank() > 0) wanted[0] = kDynamic;  // how many there are is for who runs them
  inputs = shaped_for(wanted, inputs.to(DType::f32), name);
  if (!normalization || inputs.numel() == 0) return inputs;
  Dataset normalized{inputs.clone(), Tensor(Shape{inputs.shape()[0]}, DType::i64), /*classes=*/1};
  normalize(normalized, *normalization);
  return normalized.inputs;
}

void OpenedModel::prepare(Dataset& data) const {
  data.inputs = prepare(std::move(data.inputs));
  const Shape classes = output();
  const int64_t outputs = classes.rank() > 0 ? classes[classes.rank() - 1] : 1;
  if (outputs != kDynamic && data.classes > outputs) {
    throw Error(name + " tells " + std::to_string(outputs) + " classes apart; the data has " +
                std::to_string(data.classes));
  }
}

OpenedModel open_model(const ModelArgs& args, const Dataset* data) {
  models::Sizes sizes = args.is_file() ? kFileSizes : models::default_sizes(args.model);
  if (data) sizes = sizes_from(*data, sizes);
  CheckpointInfo info;
  SafeTensors file;
  if (!args.weights.empty()) {
    file = read_safetensors(args.weights);
    info = CheckpointInfo::from_metadata(file.metadata, args.weights);
    check_model(info, args);
    if (info.sizes) sizes = *info.sizes;
  } else if (args.weights_required && !args.is_file()) {
    throw Error(args.model + " is a built-in network: give its weights with --weights FILE");
  }
  sizes = args.override_sizes(sizes);

  Graph graph = args.is_file() ? read_onnx(args.model) : models::build(args.model, &sizes);
  OpenedModel opened{args.model, sizes, Model(std::move(graph), {args.seed, args.threads, args.precise}),
                     std::move(info.normalization)};
  if (!args.weights.empty()) load_weights(opened.model, file, args.weights);
  if (!args.mean.empty() || !args.std.empty()) {
    opened.normalization = given_normalization(args, opened.input());
  }
  opened.model.eval();
  return opened;
}

}  // namespace pleat::tools
