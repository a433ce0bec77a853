#include "pleat/fold.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>
#include <optional>
#include <string>
#include <vector>

#include "commands.hpp"
#include "data_args.hpp"
#include "inputs.hpp"
#include "model_args.hpp"
#include "output.hpp"
#include "table.hpp"

namespace pleat::tools {

namespace {

struct FoldArgs {
  ModelArgs model;
  Output output;
  std::string data;
  int64_t batch = 64;
};

/// How far apart the folded and the unfolded network are on some items.
struct Difference {
  int64_t items = 0;
  int64_t disagreeing = 0;   ///< items whose largest output is another
  double max_error = 0;      ///< largest absolute difference of an output
  double max_magnitude = 0;  ///< largest absolute output, to see the error against
};

/// Outputs of both networks, one row an item.
void compare(const Tensor& folded, const Tensor& unfolded, Difference& difference) {
  const int64_t items = folded.shape()[0], width = folded.numel() / std::max<int64_t>(1, items);
  const float* a = folded.data<float>();
  const float* b = unfolded.data<float>();
  for (int64_t i = 0; i < items; ++i, a += width, b += width) {
    for (int64_t j = 0; j < width; ++j) {
      const double error = std::abs(static_cast<double>(a[j]) - b[j]);
      if (!(error <= difference.max_error)) difference.max_error = error;  // keeps NaN
      difference.max_magnitude = std::max<double>(difference.max_magnitude, std::abs(b[j]));
    }
    difference.disagreeing += std::max_element(a, a + width) - a != std::max_element(b, b + width) - b;
  }
  difference.items += items;
}

Difference compare_on(Model& model, const std::vector<Tensor>& batches) {
  std::vector<Tensor> folded;
  model.set_fold(true);
  for (const Tensor& batch : batches) folded.push_back(model(batch));
  model.set_fold(false);
  Difference difference;
  for (size_t i = 0; i < batches.size(); ++i) compare(folded[i], model(batches[i]), difference);
  model.set_fold(true);
  return difference;
}

std::vector<Tensor> batches_of(const Dataset& data, int64_t batch) {
  std::vector<Tensor> batches;
  for (int64_t begin = 0; begin < data.size(); begin += batch) {
    std::vector<int64_t> positions(static_cast<size_t>(std::min(batch, data.size() - begin)));
    std::iota(positions.begin(), positions.end(), begin);
    batches.push_back(data.select(positions).inputs);
  }
  return batches;
}

void describe(std::ostream& text, const std::string& what, const Difference& difference) {
  text << what << ": " << grouped(difference.items) << " items, largest error "
       << number("%.3g", difference.max_error) << " among outputs up to "
       << number("%.3g", difference.max_magnitude) << ", "
       << (difference.disagreeing == 0 ? "all predictions agree"
                                       : grouped(difference.disagreeing) + " predictions differ")
       << '\n';
}

Json to_json(const Difference& difference) {
  return {{"items", difference.items},
          {"max_error", difference.max_error},
          {"max_magnitude", difference.max_magnitude},
          {"disagreeing", difference.disagreeing}};
}

int fold(const FoldArgs& args) {
  std::optional<Split> data;
  if (!args.data.empty()) data = load_data(args.data);
  OpenedModel opened = open_model(args.model, data ? &data->test : nullptr);
  if (data) opened.prepare(data->test);

  std::ostream& text = args.output.text();
  const FoldReport report = opened.model.fold_report();
  Table table({{"layer"}, {"in inference"}, {"why"}});
  Json entries = Json::array();
  for (const FoldEntry& entry : report.entries) {
    table.add({entry.layer, entry.folded ? "into " + entry.target : "stays", entry.reason});
    entries.push_back({{"layer", entry.layer},
                       {"folded", entry.folded},
                       {"kind", entry.kind == FoldKind::batch_norm ? "batch_norm" : "affine"},
                       {"target", entry.target},
                       {"largest_scale", entry.largest_scale},
                       {"reason", entry.reason}});
  }
  table.print(text);
  text << '\n' << report.folded() << " folded, " << report.left() << " left\n";

  Json result = {{"folded", report.folded()}, {"left", report.left()}, {"entries", entries}};
  const Difference random = compare_on(
      opened.model, {random_inputs(with_batch(opened.input, args.batch, opened.sizes), args.model.seed)});
  describe(text, "random inputs", random);
  result["random"] = to_json(random);
  double max_error = random.max_error;
  int64_t disagreeing = random.disagreeing;
  if (data) {
    const Difference real = compare_on(opened.model, batches_of(data->test, args.batch));
    describe(text, args.data, real);
    result["data"] = to_json(real);
    max_error = std::max(max_error, real.max_error);
    disagreeing += real.disagreeing;
  }
  result["max_error"] = max_error;
  result["predictions_agree"] = disagreeing == 0;
  args.output.finish(result);
  return 0;
}

}  // namespace

Command add_fold(CLI::App& app) {
  auto args = std::make_shared<FoldArgs>();
  CLI::App* parser = app.add_subcommand(
      "fold",
      "Says where each BatchNorm goes in inference, and compares the folded with the unfolded network");
  args->model.add_to(*parser, Weights::required);
  add_data_option(*parser, args->data, "Compare on the test part of data too");
  parser->add_option("--batch", args->batch, "Items a run, and random items")->check(CLI::Range(1, 1 << 24));
  args->output.add_to(*parser);
  return {parser, [args] { return fold(*args); }};
}

}  // namespace pleat::tools
