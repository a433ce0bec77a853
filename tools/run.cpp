#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "commands.hpp"
#include "inputs.hpp"
#include "model_args.hpp"
#include "output.hpp"
#include "pleat/error.hpp"
#include "pleat/npy.hpp"
#include "table.hpp"

namespace pleat::tools {

namespace {

struct RunArgs {
  ModelArgs model;
  Output output;
  std::vector<std::string> inputs;
  std::filesystem::path output_dir = ".";
  bool unfolded = false, normalized = false;
};

int run(const RunArgs& args) {
  OpenedModel opened = open_model(args.model);
  const Graph& graph = opened.model.graph();
  opened.model.set_fold(!args.unfolded);
  if (args.normalized && !opened.normalization) {
    throw Error(args.model.weights + " does not say how its network's inputs were normalized");
  }
  if (!args.normalized) opened.normalization.reset();
  std::vector<Tensor> inputs = read_input_set(graph, args.inputs, args.model.model);
  if (inputs.size() == 1 && (!args.model.is_file() || args.normalized)) inputs[0] = opened.prepare(inputs[0]);
  const std::vector<Tensor> outputs = opened.model.run(inputs);

  std::filesystem::create_directories(args.output_dir);
  Json files = Json::array();
  for (size_t i = 0; i < outputs.size(); ++i) {
    const std::filesystem::path file = args.output_dir / (std::to_string(i) + ".npy");
    write_npy(file, outputs[i]);
    args.output.text() << file.string() << ": " << outputs[i].shape().str() << '\n';
    files.push_back({{"file", file.string()}, {"shape", outputs[i].shape().dims()}});
  }
  args.output.finish({{"outputs", files}, {"normalized", args.normalized}});
  return 0;
}

}  // namespace

Command add_run(CLI::App& app) {
  auto args = std::make_shared<RunArgs>();
  CLI::App* parser = app.add_subcommand(
      "run",
      "Runs a network on NumPy arrays and writes its outputs as DIR/0.npy, DIR/1.npy, ... in graph order");
  args->model.add_to(*parser, Weights::required);
  parser
      ->add_option("--input", args->inputs,
                   "Input array (.npy, .pb); NAME=FILE names the input, once for each")
      ->required()
      ->default_str("")
      ->type_name("FILE");
  parser->add_option("--output-dir", args->output_dir, "Folder for the outputs")->type_name("DIR");
  parser->add_flag("--unfolded", args->unfolded, "Keep every BatchNorm as a step of its own");
  parser->add_flag("--normalize", args->normalized, "Normalize the input as train normalized its data");
  args->output.add_to(*parser);
  return {parser, [args] { return run(*args); }};
}

}  // namespace pleat::tools
