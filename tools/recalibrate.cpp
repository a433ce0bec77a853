#include <filesystem>
#include <memory>

#include "commands.hpp"
#include "data_args.hpp"
#include "model_args.hpp"
#include "output.hpp"
#include "pleat/batch_norm.hpp"
#include "pleat/onnx.hpp"
#include "pleat/safetensors.hpp"
#include "table.hpp"
#include "validators.hpp"

namespace pleat::tools {

namespace {

struct RecalibrateArgs {
  ModelArgs model;
  Output output;
  DataArgs data;
  std::filesystem::path out;
  RecalibrateOptions options;
};

int recalibrate_model(RecalibrateArgs& args) {
  Split data = args.data.load();
  OpenedModel opened = open_model(args.model, &data.train);
  opened.prepare(data.train);
  args.options.seed = args.model.seed;
  const Recalibration done = recalibrate(opened.model, data.train, args.options);
  if (args.out.extension() == ".onnx") {
    write_onnx(args.out, opened.model.graph());
  } else {
    const CheckpointInfo info{args.model.short_name(), opened.sizes, opened.normalization};
    write_safetensors(args.out, {opened.model.state_dict(), info.to_metadata()});
  }
  args.output.text() << "written: " << args.out.string() << ", with statistics of " << done.layers
                     << " layers over " << grouped(done.items) << " items in " << done.batches
                     << " batches\n";
  Json result = {
      {"file", args.out.string()}, {"layers", done.layers}, {"batches", done.batches}, {"items", done.items}};
  args.data.report(args.output.text(), result);
  args.output.finish(result);
  return 0;
}

}  // namespace

Command add_recalibrate(CLI::App& app) {
  auto args = std::make_shared<RecalibrateArgs>();
  CLI::App* parser =
      app.add_subcommand("recalibrate", "Computes BatchNorm's running statistics anew (precise BN)");
  args->model.add_to(*parser, Weights::required);
  args->model.add_normalization_to(*parser);
  args->data.add_to(*parser, "Data whose training part to use")->required();
  parser->add_option("--out", args->out, "The file to write: safetensors, or FILE.onnx for the whole network")
      ->required()
      ->check(in_existing_folder())
      ->type_name("FILE");
  parser->add_option("--batch", args->options.batch_size, "Items a batch")->check(CLI::Range(2, 1 << 24));
  parser->add_option("--batches", args->options.batches, "Use N batches, drawn at random; 0: all of the data")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  args->output.add_to(*parser);
  return {parser, [args] { return recalibrate_model(*args); }};
}

}  // namespace pleat::tools
