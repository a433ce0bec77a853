#pragma once

#include <string_view>
#include <vector>

#include "pleat/model.hpp"

namespace pleat {

/// The exponential moving average of a model's parameters and running statistics: Optimizer::ema_decay.
class WeightAverage {
 public:
  /// `model` is its state dict. The averages are added to `buffers` as `prefix`NAME.ema, unless they are
  /// there.
  WeightAverage(double decay, const StateDict& model, std::string_view prefix, StateDict& buffers);

  /// Takes the weights in as they are now; the first time they are copied.
  void update(bool first);
  /// Under the model's names.
  StateDict state_dict() const;

 private:
  struct Entry {
    std::string name;
    Tensor weight, average;
  };
  double decay_;
  std::vector<Entry> entries_;
};

}  // namespace pleat
