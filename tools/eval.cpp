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
  std::string data;
  int64_t batch = 256;
  bool unfolded = false;
};

int evaluate_model(const EvalArgs& args) {
  Split data = load_data(args.data);
  OpenedModel opened = open_model(args.model, &data.test);
  opened.prepare(data.test);
  opened.model.set_fold(!args.unfolded);
  const Evaluation result = evaluate(opened.model, data.test, args.batch);
  args.output.text() << args.model.model << " on " << grouped(data.test.size()) << " test items of "
                     << args.data << ": accuracy " << number("%.2f", result.accuracy * 100) << " %, loss "
                     << number("%.4f", result.loss) << ", "
                     << grouped(static_cast<int64_t>(result.images_per_s)) << " images/s\n";
  args.output.finish({{"accuracy", result.accuracy},
                      {"loss", result.loss},
                      {"images_per_s", result.images_per_s},
                      {"images", data.test.size()},
                      {"folded", !args.unfolded}});
  return 0;
}

}  // namespace

Command add_eval(CLI::App& app) {
  auto args = std::make_shared<EvalArgs>();
  CLI::App* parser = app.add_subcommand("eval", "Measures a network's accuracy on the test part of data");
  args->model.add_to(*parser, Weights::required);
  args->model.add_normalization_to(*parser);
  add_data_option(*parser, args->data, "Data whose test part to use")->required();
  parser->add_option("--batch", args->batch, "Items a run")->check(CLI::Range(1, 1 << 24));
  parser->add_flag("--unfolded", args->unfolded, "Keep every BatchNorm as a step of its own");
  args->output.add_to(*parser);
  return {parser, [args] { return evaluate_model(*args); }};
}

}  // namespace pleat::tools
