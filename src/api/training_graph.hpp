#pragma once

#include <string_view>
#include <vector>

#include "graph/graph_data.hpp"
#include "passes/pass.hpp"
#include "pleat/train.hpp"

namespace pleat {

/// What the names of a trainer's state begin with.
inline constexpr std::string_view kOptimizerPrefix = "optimizer.";

/// A training step: forward, loss, backward and updates as one graph. Its inputs are the batch's input and
/// target, the learning rate, and for Adam the step's number; its outputs the loss, and the gradients' norm
/// where they are clipped. With micro-batches that graph adds share * gradient to `sums` (its third input is
/// -share), and `updates` is a graph of its own: of the whole batch's loss, the rate and the step's number.
struct TrainingGraph {
  GraphData graph, updates;
  ValueId target = kAbsent;
  bool counts_steps = false;     ///< there is an input for the step's number
  std::vector<Tensor> sums;      ///< of gradients
  std::vector<Tensor> changing;  ///< what a forward pass changes: running statistics, dropout's counters
  StateDict counters;            ///< dropout's
};

/// Of a model's graph. The optimizer's buffers are added to `buffers`, where they are not there yet, by their
/// names in Trainer::state_dict. Error where there is nothing to train.
TrainingGraph make_training_graph(const GraphData& network, PassContext& context, const Loss& loss,
                                  const Optimizer& optimizer, StateDict& buffers);

}  // namespace pleat
