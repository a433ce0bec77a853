#pragma once

#include <vector>

#include "pleat/model.hpp"

namespace pleat {

/// Puts a model's weights, running statistics and dropout's counters back when it goes.
class KeepState {
 public:
  explicit KeepState(Model& model);
  KeepState(const KeepState&) = delete;
  KeepState& operator=(const KeepState&) = delete;
  ~KeepState();

 private:
  std::vector<Tensor> now_, before_;
};

}  // namespace pleat
