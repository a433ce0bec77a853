#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <vector>

#include "pleat/pleat.hpp"

namespace pleat::test {

/// A file that make_goldens.py wrote; its opening describes the cases and the names of their tensors.
class GoldenFile {
 public:
  /// `name`: "ops" or "training".
  explicit GoldenFile(const std::string& name);

  const nlohmann::json& cases() const { return cases_; }
  /// Error where there is none.
  const Tensor& tensor(const std::string& name) const;
  bool has(const std::string& name) const { return find(content_.tensors, name) != nullptr; }
  /// The tensors whose names begin with `prefix` and a slash, by the rest of their names.
  StateDict group(const std::string& prefix) const;

 private:
  SafeTensors content_;
  nlohmann::json cases_;
};

/// The layer that a node of a case describes.
Layer layer_of(const nlohmann::json& node);
/// The network of a case; `inputs`: its shapes by name, with the batch dynamic.
Graph graph_of(const nlohmann::json& nodes, const nlohmann::json& inputs);

/// Step `step` of a stack of steps.
Tensor step_of(const Tensor& stack, int64_t step);

/// The largest difference between two tensors of one shape, relative to the largest magnitude in `wanted`
/// (absolute where that is below `floor`). Infinite where one has a NaN.
double deviation(const Tensor& got, const Tensor& wanted, double floor = 1e-30);
/// The largest relative deviation of any loss; infinite where one is not finite. As many are wanted as there
/// are.
double loss_deviation(std::span<const double> losses, std::span<const double> wanted);

}  // namespace pleat::test
