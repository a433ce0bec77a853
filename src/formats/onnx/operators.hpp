#pragma once

#include <span>
#include <string_view>

#include "formats/onnx/node_import.hpp"

namespace pleat::formats {

/// What stands for an operator: adds nodes of ours for one of ONNX, and gives its outputs; those that it
/// cannot give are kAbsent, or missing at the end.
struct Operator {
  std::string_view name;
  int first;  ///< the operator set that it came with, 1 for the oldest
  int last;   ///< the last that has it
  std::vector<ValueId> (*rule)(NodeImport& node);
};

inline constexpr int kFirstOpset = 1, kLastOpset = 26;

/// Error for an operator that Pleat does not have, or that the operator set does not.
const Operator& find_operator(std::string_view domain, std::string_view name, int opset);

// One family a file.
std::span<const Operator> activation_operators();
std::span<const Operator> control_operators();
std::span<const Operator> conv_operators();
std::span<const Operator> elementwise_operators();
std::span<const Operator> matrix_operators();
std::span<const Operator> normalization_operators();
std::span<const Operator> pool_operators();
std::span<const Operator> reduce_operators();
std::span<const Operator> resize_operators();
std::span<const Operator> shape_operators();
std::span<const Operator> slice_operators();

}  // namespace pleat::formats
