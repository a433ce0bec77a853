#include <algorithm>
#include <filesystem>
#include <functional>
#include <memory>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "commands.hpp"
#include "data_args.hpp"
#include "inputs.hpp"
#include "model_args.hpp"
#include "output.hpp"
#include "pleat/certify.hpp"
#include "pleat/error.hpp"
#include "pleat/onnx.hpp"
#include "pleat/train.hpp"
#include "progress.hpp"
#include "table.hpp"
#include "validators.hpp"

namespace pleat::tools {

namespace {

struct FoldArgs {
  ModelArgs model;
  Output output;
  std::string data;
  std::filesystem::path out, report;
  std::vector<std::string> inputs;
  double tolerance = CertifyOptions{}.tolerance;
  std::optional<int64_t> items;
};

/// How many items a double-precision run can have to take a second or so.
int64_t affordable_items(OpenedModel& opened) {
  constexpr int64_t kMultiplyAdds = 1'000'000'000, kMost = 64;
  std::vector<Shape> shapes;
  const Graph& graph = opened.model.graph();
  for (const Value value : graph.inputs()) shapes.push_back(with_batch(graph.shape(value), 1, opened.sizes));
  int64_t cost = 1;
  for (const LayerInfo& layer : opened.model.layers(shapes)) cost += layer.multiply_adds;
  return std::clamp<int64_t>(kMultiplyAdds / cost, 1, kMost);
}

Tensor items_of(const Dataset& data, int64_t begin, int64_t count) {
  std::vector<int64_t> positions(static_cast<size_t>(std::min(count, data.size() - begin)));
  std::iota(positions.begin(), positions.end(), begin);
  return data.select(positions).inputs;
}

/// What the certificate is measured on: random inputs or those given, and the first items of the data.
std::vector<InputSet> input_sets(const FoldArgs& args, OpenedModel& opened, const Split* data) {
  const Graph& graph = opened.model.graph();
  const int64_t count = args.items.value_or(affordable_items(opened));
  std::vector<InputSet> sets;
  if (args.inputs.empty()) {
    sets.push_back(random_input_set(graph, count, opened.sizes, args.model.seed));
  } else {
    sets.push_back(read_input_set(graph, args.inputs, args.model.model));
  }
  if (data != nullptr) {
    const int64_t fixed = opened.input()[0];
    sets.push_back({items_of(data->test, 0, fixed == kDynamic ? count : fixed)});
  }
  return sets;
}

/// Test items whose largest output is another in the folded network than in the unfolded one.
int64_t disagreeing(Model& model, const Tensor& inputs) {
  const Tensor folded = predict(model.set_fold(true), inputs);
  const Tensor unfolded = predict(model.set_fold(false), inputs);
  model.set_fold(true);
  const std::span<const int64_t> a = folded.span<int64_t>(), b = unfolded.span<int64_t>();
  return std::inner_product(a.begin(), a.end(), b.begin(), int64_t{0}, std::plus<>(), std::not_equal_to<>());
}

void print_report(std::ostream& text, const Certificate& made, double tolerance) {
  Table table({{"layer"}, {"in inference"}, {"how, or why not"}, {"largest |scale|", Align::right}});
  for (const FoldEntry& entry : made.report.entries) {
    table.add({entry.layer, entry.folded ? "into " + entry.target : "stays", entry.reason,
               number("%.3g", entry.largest_scale)});
  }
  table.print(text);
  const FoldReport& report = made.report;
  text << '\n' << report.folded() << " BatchNorm folded, " << report.left() << " left";
  if (const int affines = report.folded(FoldKind::affine) + report.left(FoldKind::affine); affines > 0) {
    text << "; " << report.folded(FoldKind::affine) << " of " << affines << " constant affines folded";
  }
  text << '\n';
  for (const std::string& layer : made.rolled_back) {
    text << layer << ": folding it cost more accuracy than the tolerance; rolled back\n";
  }
  text << "error against the unfolded network in double, of outputs up to "
       << number("%.3g", made.reference_scale) << ":\n  folded    " << number("%.2e", made.folded.max_abs)
       << " (" << number("%.2e", made.folded.max_rel) << " of the output's largest magnitude)\n  unfolded  "
       << number("%.2e", made.unfolded.max_abs) << " (" << number("%.2e", made.unfolded.max_rel) << ")\n"
       << (made.holds ? "within" : "NOT within") << " the tolerance of " << number("%.1e", tolerance) << '\n';
}

Json entries_left(const FoldReport& report, FoldKind kind) {
  Json left = Json::array();
  for (const FoldEntry& entry : report.entries) {
    if (entry.kind == kind && !entry.folded)
      left.push_back({{"name", entry.layer}, {"reason", entry.reason}});
  }
  return left;
}

Json to_json(const Certificate& made, double tolerance) {
  const FoldReport& report = made.report;
  Json entries = Json::array();
  double largest_scale = 0;
  for (const FoldEntry& entry : report.entries) {
    largest_scale = std::max(largest_scale, entry.largest_scale);
    entries.push_back({{"layer", entry.layer},
                       {"kind", entry.kind == FoldKind::batch_norm ? "batch_norm" : "affine"},
                       {"folded", entry.folded},
                       {"target", entry.target},
                       {"reason", entry.reason},
                       {"largest_scale", entry.largest_scale}});
  }
  return {{"batch_norms", report.folded() + report.left()},
          {"folded", report.folded()},
          {"left", entries_left(report, FoldKind::batch_norm)},
          {"affines", report.folded(FoldKind::affine) + report.left(FoldKind::affine)},
          {"affines_folded", report.folded(FoldKind::affine)},
          {"affines_left", entries_left(report, FoldKind::affine)},
          {"max_abs_error", made.folded.max_abs},
          {"max_rel_error", made.folded.max_rel},
          {"unfolded_max_abs_error", made.unfolded.max_abs},
          {"unfolded_max_rel_error", made.unfolded.max_rel},
          {"reference_scale", made.reference_scale},
          {"largest_scale", largest_scale},
          {"rolled_back", made.rolled_back},
          {"tolerance", tolerance},
          {"holds", made.holds},
          {"seconds", made.seconds},
          {"entries", entries}};
}

int fold_model(const FoldArgs& args) {
  std::optional<Split> data;
  if (!args.data.empty()) data = load_data(args.data);
  OpenedModel opened = open_model(args.model, data ? &data->test : nullptr);
  if (data) opened.prepare(data->test);

  Progress progress;
  const std::vector<InputSet> sets = input_sets(args, opened, data ? &*data : nullptr);
  const CertifyOptions options{.tolerance = args.tolerance, .on_progress = [&](int64_t done, int64_t total) {
                                 progress.update(done, total, 0, "runs to certify");
                               }};
  const Certificate made = certify(opened.model.graph(), sets, options);
  progress.clear();

  std::ostream& text = args.output.text();
  print_report(text, made, args.tolerance);
  Json result = to_json(made, args.tolerance);
  if (data) {
    const int64_t differ = disagreeing(opened.model, data->test.inputs);
    text << args.data << ": "
         << (differ == 0 ? "all predictions agree" : grouped(differ) + " predictions differ") << " on "
         << grouped(data->test.size()) << " test items\n";
    result["predictions_agree"] = differ == 0;
    result["disagreeing"] = differ;
  }
  if (!args.out.empty()) {
    if (made.holds) {
      write_onnx(args.out, fold(opened.model.graph(), made.rolled_back));
      text << "written: " << args.out.string() << opened.for_inputs() << '\n';
    } else {
      text << args.out.string() << " was not written\n";
    }
  }
  if (!args.report.empty()) write_json(args.report, result);
  args.output.finish(result);
  return made.holds ? 0 : 1;
}

}  // namespace

Command add_fold(CLI::App& app) {
  auto args = std::make_shared<FoldArgs>();
  CLI::App* parser = app.add_subcommand(
      "fold",
      "Folds each BatchNorm and constant affine into its neighbours, says where it went, measures the error "
      "against a double-precision run, and writes the folded network");
  args->model.add_to(*parser, Weights::required);
  args->model.add_normalization_to(*parser);
  parser->add_option("OUT", args->out, "Where to write the folded network (ONNX); nothing without")
      ->type_name("FILE.onnx");
  parser->add_option("--report", args->report, "Also write the certificate there (JSON)")->type_name("FILE");
  parser
      ->add_option(
          "--tolerance", args->tolerance,
          "Largest error of an output over its largest magnitude; beyond it folds are rolled back, and "
          "the exit code is not 0 where that does not help")
      ->check(between(0, 1.0));
  parser
      ->add_option("--input", args->inputs,
                   "Measure on this array (.npy, .pb) instead of random ones; NAME=FILE")
      ->default_str("")
      ->type_name("FILE");
  add_data_option(*parser, args->data, "Measure on the test part of data too");
  parser->add_option("--items", args->items, "Random items, and items of the data, to measure on in double")
      ->check(CLI::Range(1, 1 << 20))
      ->type_name("N");
  args->output.add_to(*parser);
  return {parser, [args] { return fold_model(*args); }};
}

}  // namespace pleat::tools
