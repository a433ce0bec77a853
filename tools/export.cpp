#include <filesystem>
#include <memory>

#include "commands.hpp"
#include "model_args.hpp"
#include "output.hpp"
#include "pleat/certify.hpp"
#include "pleat/onnx.hpp"

namespace pleat::tools {

namespace {

struct ExportArgs {
  ModelArgs model;
  Output output;
  std::filesystem::path out;
  OnnxOptions options;
  bool folded = false;
};

int export_model(const ExportArgs& args) {
  OpenedModel opened = open_model(args.model);
  const Graph& graph = opened.model.graph();
  write_onnx(args.out, args.folded ? fold(graph) : graph, args.options);
  const auto bytes = std::filesystem::file_size(args.out);
  args.output.text() << "written: " << args.out.string() << " ("
                     << (args.folded ? "folded" : "with its BatchNorm") << ", opset " << args.options.opset
                     << ", " << bytes << " bytes)" << opened.for_inputs() << '\n';
  args.output.finish({{"file", args.out.string()},
                      {"folded", args.folded},
                      {"opset", args.options.opset},
                      {"bytes", bytes},
                      {"normalization", opened.normalization_options()}});
  return 0;
}

}  // namespace

Command add_export(CLI::App& app) {
  auto args = std::make_shared<ExportArgs>();
  CLI::App* parser = app.add_subcommand("export", "Writes a network as ONNX, as it was trained or folded");
  args->model.add_to(*parser, Weights::optional);
  parser->add_option("OUT", args->out, "The file to write")->required()->type_name("FILE.onnx");
  parser->add_flag("--folded", args->folded, "Fold BatchNorm first; `fold` also certifies the result");
  parser->add_option("--opset", args->options.opset, "Version of the operators")->check(CLI::Range(13, 17));
  args->output.add_to(*parser);
  return {parser, [args] { return export_model(*args); }};
}

}  // namespace pleat::tools
