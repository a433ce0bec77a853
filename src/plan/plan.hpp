#pragma once

#include <span>
#include <string>
#include <vector>

#include "graph/graph_data.hpp"

namespace pleat {

/// Where a buffer's memory comes from.
enum class Place : uint8_t {
  arena,       ///< at `offset` in the plan's arena
  persistent,  ///< a tensor that outlives runs: parameter, state, constant
  input,       ///< the caller's input number `index`
  output,      ///< the caller's output number `index`
  unused,      ///< no step touches it
};

struct Buffer {
  std::string name;  ///< of the value it was made for
  ValueType type;
  Place place = Place::arena;
  size_t offset = 0;
  int index = 0;
  Tensor tensor = {};  ///< of persistent buffers
  int first_stage = 0, last_stage = 0;
  int alias_of = -1;  ///< the buffer whose memory it shares: a view, or a result in place; -1: none
};

/// One op with its operands: places in Plan::buffers, -1 for an absent one.
struct Step {
  std::string name;
  const OpDef* op;
  ops::Attributes attributes;
  std::vector<int> inputs = {}, outputs = {};
  int stage = 0;
  double work = 0;  ///< elementary operations
  int64_t multiply_adds = 0;
  int64_t bytes = 0;  ///< that must move: operands, and again those it changes in place
  size_t workspace_bytes = 0, workspace_offset = 0, worker_bytes = 0;
  size_t packed_bytes = 0;  ///< of its constant weight in the op's own layout; 0: none
};

/// Steps first..last-1 depend on earlier stages only: they may run at the same time.
struct Stage {
  int first = 0, last = 0;
  double work = 0;
};

/// A graph laid out for fixed input shapes: what to run, in which order, and where everything lies. Plain
/// data: it can be printed and tested without running.
struct Plan {
  DType compute = DType::f32;
  int64_t pieces = 1;  ///< equal parts of the batch, run one after another; all below is of one
  std::vector<Buffer> buffers;
  std::vector<Step> steps;
  std::vector<Stage> stages;
  std::vector<int> inputs, outputs;     ///< buffers, in the graph's order
  std::vector<ValueType> output_types;  ///< of the whole batch
  /// Outputs whose value lies elsewhere (an input, a parameter, another output) and is copied at the end:
  /// from, to.
  std::vector<std::pair<int, int>> copies;
  size_t arena_bytes = 0;       ///< with reuse
  size_t unshared_bytes = 0;    ///< what the arena's buffers would take without reuse
  size_t persistent_bytes = 0;  ///< parameters, states, constants
  size_t packed_bytes = 0;      ///< weights in the ops' own layout
  size_t worker_bytes = 0;      ///< largest need of one thread

  std::string str() const;
};

/// Of a value whose dimensions are all known.
size_t bytes_of(const ValueType& type);

/// Plans the graph for inputs of these shapes (in the graph's order), and where shapes of other values depend
/// on an input's elements (see inputs_that_shape) for these elements: input_values has a tensor for each
/// input, undefined for the others, or is empty. Error where a shape does not fit.
Plan make_plan(const GraphData& graph, std::span<const Shape> input_shapes,
               std::span<const Tensor> input_values = {});

/// The same; but where what the steps of a batch pass on would not stay in the last cache, and the batch can
/// be cut (see is_independent_in_batch), planned for a piece of it that does.
Plan make_batch_plan(const GraphData& graph, std::span<const Shape> input_shapes,
                     std::span<const Tensor> input_values = {});

}  // namespace pleat
