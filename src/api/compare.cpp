#include <map>

#include "api/output_error.hpp"
#include "api/run_graph.hpp"
#include "base/format.hpp"
#include "graph/edit.hpp"
#include "passes/pipeline.hpp"

namespace pleat {
namespace {

// Computed values by name, those of one name left out.
std::map<std::string, ValueId> named_values(const GraphData& graph) {
  std::map<std::string, ValueId> named;
  for (const Node& node : graph.nodes) {
    for (ValueId output : node.outputs) {
      const auto [place, is_new] = named.emplace(graph.value(output).name, output);
      if (!is_new) place->second = kAbsent;
    }
  }
  return named;
}

// Values that both graphs have: the ids in a and in b, in a's order.
std::vector<std::pair<ValueId, ValueId>> shared_values(const GraphData& a, const GraphData& b) {
  const std::map<std::string, ValueId> in_a = named_values(a), in_b = named_values(b);
  std::vector<std::pair<ValueId, ValueId>> shared;
  for (const Node& node : a.nodes) {
    for (ValueId output : node.outputs) {
      const std::string& name = a.value(output).name;
      const auto other = in_b.find(name);
      if (in_a.at(name) == kAbsent || other == in_b.end() || other->second == kAbsent) continue;
      const ValueType &mine = a.value(output).type, &theirs = b.value(other->second).type;
      if (mine.dtype == theirs.dtype && mine.shape.rank() == theirs.shape.rank()) {
        shared.emplace_back(output, other->second);
      }
    }
  }
  return shared;
}

GraphData prepared(const Graph& graph) {
  PassContext context;
  return inference_graph(graph.ir(), /*fold=*/false, context);
}

void also_give(GraphData& graph, ValueId value) {
  graph.outputs.push_back(value);
  graph.output_names.push_back(graph.value(value).name);
}

}  // namespace

Comparison compare(const Graph& first, const Graph& second, const std::vector<InputSet>& inputs,
                   double tolerance) {
  GraphData a = prepared(first), b = prepared(second);
  if (a.outputs.size() != b.outputs.size()) {
    fail("compare: one network has ", a.outputs.size(), " output(s), the other ", b.outputs.size());
  }
  const size_t outputs = a.outputs.size();
  const auto shared = shared_values(a, b);
  for (const auto& [mine, theirs] : shared) {
    also_give(a, mine);
    also_give(b, theirs);
  }
  const std::vector<std::string> names = a.output_names;
  GraphRunner run_a(std::move(a)), run_b(std::move(b));
  OutputDifferences all;
  for (const InputSet& set : inputs) all.add(run_b.run(set), run_a.run(set), names);

  Comparison result;
  result.layers_compared = static_cast<int>(shared.size());
  for (size_t i = outputs; i < all.outputs.size() && result.first_diverged.empty(); ++i) {
    if (all.outputs[i].max_rel() <= tolerance) continue;
    result.first_diverged = names[i];
    result.diverged_by = all.outputs[i].max_rel();
  }
  all.outputs.resize(outputs);
  result.outputs = all.error();
  result.reference_scale = all.scale();
  result.agree = result.outputs.max_rel <= tolerance;
  return result;
}

}  // namespace pleat
