#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "pleat/shape.hpp"

namespace pleat {

/// When a step ran in one run, in microseconds since that run began. Steps that do not depend on each other
/// may run at the same time; a thread that waits for parts of a step may take up another one meanwhile, whose
/// time then counts for both.
struct StepTime {
  double start_us = 0, duration_us = 0;
  int thread = 0;  ///< the one that began it: [0, Profile::threads)
};

/// One step of a plan, in all measured runs. What needs no step, such as a reshape, is not there.
struct StepProfile {
  std::string name;  ///< of the layer, or of the node that a pass made: "conv1", "conv1.weight.update"
  std::string op;    ///< "conv"
  std::vector<Shape> inputs, outputs;  ///< inputs with the weights, without what is absent
  int64_t multiply_adds = 0;           ///< of linear layers, convolutions and their gradients
  int64_t bytes = 0;  ///< that must move: inputs, weights, outputs; what changes in place counts twice
  std::vector<StepTime> times = {};  ///< one for each run

  /// Of the durations.
  double median_us() const;
};

/// What Model::profile and Trainer::profile measured.
struct Profile {
  int threads = 1;                      ///< that could work at once
  std::vector<double> run_us = {};      ///< what each run took as a whole
  std::vector<StepProfile> steps = {};  ///< in execution order

  /// The number of the run of median time.
  size_t median_run() const;
};

}  // namespace pleat
