#include "pleat/certify.hpp"

#include <algorithm>
#include <chrono>

#include "api/output_error.hpp"
#include "api/run_graph.hpp"
#include "base/format.hpp"
#include "graph/edit.hpp"
#include "passes/pipeline.hpp"
#include "passes/to_double.hpp"

namespace pleat {
namespace {

void check_values(const GraphData& graph) {
  for (const ValueInfo& value : graph.values) {
    const bool weight = value.kind == ValueKind::parameter || value.kind == ValueKind::state;
    if (weight && !value.data.defined()) fail("fold: ", value.name, " has no values yet");
  }
}

GraphData unfolded_graph(const GraphData& graph) {
  PassContext context;
  return inference_graph(graph, /*fold=*/false, context);
}

class Certification {
 public:
  Certification(const GraphData& graph, const std::vector<InputSet>& inputs, const CertifyOptions& options)
      : graph_(graph), inputs_(inputs), options_(options) {
    check_values(graph);
    if (inputs.empty()) fail("certify: needs at least one set of inputs");
  }

  Certificate run() {
    const auto start = std::chrono::steady_clock::now();
    total_ = 3 * static_cast<int64_t>(inputs_.size());
    const GraphData unfolded = unfolded_graph(graph_);
    references_ = outputs_of(to_double(unfolded));
    made_.unfolded = error_of(unfolded);
    fold({});
    if (made_.folded.max_rel > options_.tolerance && made_.unfolded.max_rel <= options_.tolerance)
      roll_back();
    made_.holds = made_.folded.max_rel <= options_.tolerance;
    made_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::move(made_);
  }

 private:
  std::vector<std::vector<Tensor>> outputs_of(GraphData graph) {
    GraphRunner runner(std::move(graph));
    std::vector<std::vector<Tensor>> outputs;
    for (const InputSet& set : inputs_) {
      outputs.push_back(runner.run(set));
      ++done_;
      if (options_.on_progress) options_.on_progress(done_, std::max(done_, total_));
    }
    return outputs;
  }

  OutputError error_of(GraphData graph) {
    const std::vector<std::vector<Tensor>> outputs = outputs_of(std::move(graph));
    OutputDifferences differences;
    for (size_t i = 0; i < outputs.size(); ++i)
      differences.add(outputs[i], references_[i], graph_.output_names);
    made_.reference_scale = differences.scale();
    return differences.error();
  }

  // The error with every layer folded but these, and what the passes report.
  OutputError fold_all_but(const std::vector<std::string>& keep, FoldReport& report) {
    PassContext context{.keep = keep};
    GraphData folded = inference_graph(graph_, /*fold=*/true, context);
    report = std::move(context.report);
    return error_of(std::move(folded));
  }

  void fold(const std::vector<std::string>& keep) { made_.folded = fold_all_but(keep, made_.report); }

  // What each fold costs by itself: the error with all others left.
  struct Cost {
    std::string layer;
    double error;
  };
  std::vector<Cost> costs() {
    std::vector<std::string> folded;
    for (const FoldEntry& entry : made_.report.entries) {
      if (entry.folded) folded.push_back(entry.layer);
    }
    total_ += static_cast<int64_t>(2 * folded.size() * inputs_.size());
    std::vector<Cost> costs;
    for (const std::string& layer : folded) {
      std::vector<std::string> others;
      std::copy_if(folded.begin(), folded.end(), std::back_inserter(others),
                   [&](const std::string& name) { return name != layer; });
      FoldReport ignored;
      costs.push_back({layer, fold_all_but(others, ignored).max_rel});
    }
    std::stable_sort(costs.begin(), costs.end(),
                     [](const Cost& a, const Cost& b) { return a.error > b.error; });
    return costs;
  }

  void roll_back() {
    for (const Cost& cost : costs()) {
      made_.rolled_back.push_back(cost.layer);
      fold(made_.rolled_back);
      if (made_.folded.max_rel <= options_.tolerance) break;
    }
  }

  const GraphData& graph_;
  const std::vector<InputSet>& inputs_;
  const CertifyOptions& options_;
  std::vector<std::vector<Tensor>> references_;  // by set of inputs
  Certificate made_;
  int64_t done_ = 0, total_ = 0;
};

}  // namespace

Graph fold(const Graph& graph, const std::vector<std::string>& keep, FoldReport* report) {
  check_values(graph.ir());
  PassContext context{.keep = keep};
  Graph folded;
  folded.ir() = folded_graph(graph.ir(), context);
  if (report != nullptr) *report = std::move(context.report);
  return folded;
}

Certificate certify(const Graph& graph, const std::vector<InputSet>& inputs, const CertifyOptions& options) {
  return Certification(graph.ir(), inputs, options).run();
}

}  // namespace pleat
