#include <memory>
#include <string>
#include <vector>

#include "commands.hpp"
#include "inputs.hpp"
#include "output.hpp"
#include "pleat/certify.hpp"
#include "pleat/onnx.hpp"
#include "table.hpp"
#include "validators.hpp"

namespace pleat::tools {

namespace {

struct VerifyArgs {
  std::string a, b;
  Output output;
  std::vector<std::string> inputs;
  double tolerance = 1e-4;
  int64_t batch = 1, size = 224;
  uint64_t seed = 0;
};

int verify(const VerifyArgs& args) {
  const Graph a = read_onnx(args.a), b = read_onnx(args.b);
  const models::Sizes sizes = {.height = args.size, .width = args.size};
  const InputSet set = args.inputs.empty() ? random_input_set(a, args.batch, sizes, args.seed)
                                           : read_input_set(a, args.inputs, args.a);
  const Comparison found = compare(a, b, {set}, args.tolerance);
  args.output.text() << "outputs differ by " << number("%.2e", found.outputs.max_abs) << ", "
                     << number("%.2e", found.outputs.max_rel)
                     << " of the output's largest magnitude: " << (found.agree ? "within" : "NOT within")
                     << " the tolerance of " << number("%.1e", args.tolerance) << '\n'
                     << found.layers_compared << " values have the same name in both; "
                     << (found.first_diverged.empty()
                             ? "all of them agree"
                             : "the first that diverges is " + found.first_diverged + ", by " +
                                   number("%.2e", found.diverged_by) + " of its largest magnitude")
                     << '\n';
  args.output.finish({{"agree", found.agree},
                      {"max_abs_error", found.outputs.max_abs},
                      {"max_rel_error", found.outputs.max_rel},
                      {"reference_scale", found.reference_scale},
                      {"layers_compared", found.layers_compared},
                      {"first_diverged", found.first_diverged},
                      {"diverged_by", found.diverged_by},
                      {"tolerance", args.tolerance}});
  return found.agree ? 0 : 1;
}

}  // namespace

Command add_verify(CLI::App& app) {
  auto args = std::make_shared<VerifyArgs>();
  CLI::App* parser = app.add_subcommand(
      "verify", "Compares two ONNX files on the same inputs and names the first layer that diverges");
  parser->add_option("A", args->a, "The reference")
      ->required()
      ->check(CLI::ExistingFile)
      ->type_name("FILE.onnx");
  parser->add_option("B", args->b, "The network to check")
      ->required()
      ->check(CLI::ExistingFile)
      ->type_name("FILE.onnx");
  parser->add_option("--input", args->inputs, "Input array (.npy, .pb); NAME=FILE; random without")
      ->default_str("")
      ->type_name("FILE");
  parser->add_option("--tolerance", args->tolerance, "Largest error of an output over its largest magnitude")
      ->check(between(0, 1.0));
  parser->add_option("--batch", args->batch, "Random items")->check(CLI::Range(1, 1 << 20));
  parser->add_option("--size", args->size, "Height and width where the network leaves them open")
      ->check(CLI::Range(1, 1 << 16))
      ->type_name("N");
  parser->add_option("--seed", args->seed, "Seed of the random inputs")->type_name("N");
  args->output.add_to(*parser);
  return {parser, [args] { return verify(*args); }};
}

}  // namespace pleat::tools
