#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "base/parallel.hpp"
#include "executor/executor.hpp"
#include "pleat/model.hpp"

namespace pleat {

/// Executors of one graph, one for each set of input shapes it has run with (and of input values, where
/// shapes depend on them); the least recently used goes first.
class ExecutorCache {
 public:
  /// Null where there is none for these inputs.
  Executor* find(std::span<const Tensor> inputs);
  /// Between planning and packing `planned` is called.
  Executor& make(const GraphData& graph, std::span<const Tensor> inputs, FunctionRef<void()> planned);
  Executor& get(const GraphData& graph, std::span<const Tensor> inputs);
  void clear() { entries_.clear(); }

 private:
  static constexpr size_t kMost = 8;
  struct Entry {
    std::vector<Shape> shapes;
    std::vector<Tensor> values;  ///< of inputs that shape others; undefined for the rest
    Executor executor;

    bool fits(std::span<const Tensor> inputs) const;
  };
  std::vector<Entry> entries_;  // most recently used last
};

/// A pipeline's result with its executors.
struct PreparedGraph {
  GraphData graph;
  bool released = false;  ///< constants that executors keep packed have no data here any more
  FoldReport report = {};
  uint64_t weights_version = 0;  ///< of the weights when it was made
  ExecutorCache executors = {};
};

struct Model::Impl {
  Impl(Graph graph, ModelOptions options);

  /// The graph for the present mode, made again where a weight changed (in inference) or a layer was frozen.
  PreparedGraph& prepared();
  PreparedGraph& prepared_inference();
  /// Makes the inference graph, again where its constants were released.
  void prepare(PreparedGraph& form) const;
  /// The present mode's executor for these inputs.
  Executor& executor_for(std::span<const Tensor> inputs);
  /// Room for what the model makes of these inputs. This and bind() are called in the arena.
  std::vector<Tensor> make_outputs(std::span<const Tensor> inputs);
  /// The executor for these inputs and outputs, whose data it notes in input_data and output_data.
  Executor& bind(std::span<const Tensor> inputs, std::span<Tensor> outputs);
  /// Drops what was prepared: attributes of the graph changed.
  void changed();
  /// Sum of the versions of all parameters and states.
  uint64_t weights_version() const;
  ValueInfo& named(std::string_view name);
  StateDict state_dict() const;

  Graph graph;
  ModelOptions options;
  bool training = true, fold = true;
  uint64_t revision = 0;        ///< grows with each change of the graph's attributes: see changed()
  std::vector<Tensor> weights;  ///< every parameter and state: see weights_version()
  Arena arena;
  std::optional<PreparedGraph> training_form, inference_form;
  std::vector<const void*> input_data;  // kept between runs, so that a run allocates nothing
  std::vector<void*> output_data;
};

}  // namespace pleat
