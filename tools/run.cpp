#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "commands.hpp"
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

/// The file of the network's input, which "--input x.npy" and "--input NAME=x.npy" give.
std::filesystem::path input_file(const RunArgs& args, const std::string& name) {
  if (args.inputs.size() != 1) {
    throw Error(args.model.model + " has one input, " + name + "; " + std::to_string(args.inputs.size()) +
                " were given");
  }
  const std::string& given = args.inputs.front();
  const size_t equals = given.find('=');
  if (equals == std::string::npos || std::filesystem::exists(given)) return given;
  if (given.substr(0, equals) != name) {
    throw Error(args.model.model + " has no input named " + given.substr(0, equals) + "; its input is " +
                name);
  }
  return given.substr(equals + 1);
}

int run(const RunArgs& args) {
  OpenedModel opened = open_model(args.model);
  const Graph& graph = opened.model.graph();
  opened.model.set_fold(!args.unfolded);
  if (args.normalized && !opened.normalization) {
    throw Error(args.model.weights + " does not say how its network's inputs were normalized");
  }
  if (!args.normalized) opened.normalization.reset();
  const Tensor input = opened.prepare(read_npy(input_file(args, graph.name(graph.inputs().front()))));
  const std::vector<Tensor> outputs = opened.model.run({input});

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
      "Runs a network on a NumPy array and writes its outputs as DIR/0.npy, DIR/1.npy, ... in graph order");
  args->model.add_to(*parser, Weights::required);
  parser->add_option("--input", args->inputs, "Input array; NAME=FILE names the input")
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
