#include <memory>
#include <string>

#include "commands.hpp"
#include "data_args.hpp"
#include "model_args.hpp"
#include "output.hpp"
#include "pleat/train.hpp"
#include "table.hpp"

namespace pleat::tools {

namespace {

struct EvalArgs {
  ModelArgs model;
  Output output;
  DataArgs data;
  int64_t batch = 256;
  bool unfolded = false;
};

int evaluate_model(EvalArgs& args) {
  Split data = args.data.load();
  OpenedModel opened = open_model(args.model, &data.test);
  opened.prepare(data.test);
  opened.model.set_fold(!args.unfolded);
  const Evaluation result = evaluate(opened.model, data.test, args.batch);
  args.output.text() << args.model.model << " on " << grouped(data.test.size()) << " test items of "
                     << args.data.spec << ": accuracy " << number("%.2f", result.accuracy * 100)
                     << " %, loss " << number("%.4f", result.loss) << ", "
                     << grouped(static_cast<int64_t>(result.images_per_s)) << " images/s\n";
  Json json = {{"accuracy", result.accuracy},
               {"loss", result.loss},
               {"images_per_s", result.images_per_s},
               {"images", data.test.size()},
               {"folded", !args.unfolded}};
  args.data.report(args.output.text(), json);
  args.output.finish(json);
  return 0;
}

}  // namespace

Command add_eval(CLI::App& app) {
  auto args = std::make_shared<EvalArgs>();
  CLI::App* parser = app.add_subcommand("eval", "Measures a network's accuracy on the test part of data");
  args->model.add_to(*parser, Weights::required);
  args->model.add_normalization_to(*parser);
  args->data.add_to(*parser, "Data whose test part to use")->required();
  parser->add_option("--batch", args->batch, "Items a run")->check(CLI::Range(1, 1 << 24));
  parser->add_flag("--unfolded", args->unfolded, "Keep every BatchNorm as a step of its own");
  args->output.add_to(*parser);
  return {parser, [args] { return evaluate_model(*args); }};
}

}  // namespace pleat::tools
