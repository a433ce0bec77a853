#pragma once

#include <functional>
#include <string>
#include <vector>

#include "pleat/fold.hpp"
#include "pleat/graph.hpp"
#include "pleat/tensor.hpp"

namespace pleat {

/// One tensor for each of a graph's inputs, in order.
using InputSet = std::vector<Tensor>;

/// A graph's inference form as a graph of its own: running statistics, dropout gone, batch normalization and
/// constant affines folded into their neighbours in double and rounded once; nothing fused that a file could
/// not hold. The given graph stays as it is. keep: layers that must not be folded. report: where each went,
/// and why; may be null. Error for a graph whose parameters have no values yet.
Graph fold(const Graph& graph, const std::vector<std::string>& keep = {}, FoldReport* report = nullptr);

/// How far a network's outputs are from a reference's.
struct OutputError {
  double max_abs = 0;  ///< the largest difference of an element
  double max_rel = 0;  ///< the largest, over the outputs, of that over the reference's largest magnitude
};

struct CertifyOptions {
  double tolerance = 1e-4;  ///< of OutputError::max_rel
  /// Called after each run of a network: how many are done, and an estimate of how many there will be.
  std::function<void(int64_t done, int64_t total)> on_progress = {};
};

/// What folding a network costs, measured.
struct Certificate {
  FoldReport report;
  OutputError folded;                    ///< the folded network in float, against the unfolded one in double
  OutputError unfolded;                  ///< the unfolded network in float, against the same
  double reference_scale = 0;            ///< the largest magnitude of an output of the reference
  std::vector<std::string> rolled_back;  ///< layers left unfolded because folding them cost too much
  double seconds = 0;
  bool holds = false;  ///< whether folded.max_rel is within the tolerance
};

/// Folds the graph and runs it on each set of inputs, beside the unfolded graph in float and, node by node
/// with the plain C++ kernels, in double. Where the folded network misses the tolerance and the unfolded one
/// does not, each fold is measured by itself, and those that cost most are rolled back until the whole is
/// within it. Error where inputs do not fit.
Certificate certify(const Graph& graph, const std::vector<InputSet>& inputs,
                    const CertifyOptions& options = {});

/// What compare found.
struct Comparison {
  OutputError outputs;
  double reference_scale = 0;
  int layers_compared = 0;  ///< values of one name and shape in both graphs
  std::string
      first_diverged;      ///< the first of them, in a's order, that is not within the tolerance; empty: none
  double diverged_by = 0;  ///< its largest difference over its largest magnitude
  bool agree = false;      ///< whether outputs.max_rel is within the tolerance
};

/// Runs two graphs, unfolded and unfused, on the same inputs and compares b with a: the outputs in order, and
/// every value that has the same name in both. Error where the numbers of inputs or outputs, or shapes,
/// differ.
Comparison compare(const Graph& a, const Graph& b, const std::vector<InputSet>& inputs,
                   double tolerance = 1e-4);

}  // namespace pleat
