#pragma once

#include <string>
#include <vector>

#include "ops/op.hpp"

namespace pleat::test {

/// One input of an op case. Its values are drawn uniformly from [low, high); labels (i64) are whole numbers
/// in it.
struct CaseInput {
  Shape shape;
  double low = -1, high = 1;
  DType dtype = DType::f32;
  bool absent = false;
  bool differentiate = true;        ///< f32 inputs: check the gradient by this input
  std::vector<double> values = {};  ///< instead of random ones; the input is then a constant of the graph
};

/// A constant list of whole numbers: a shape, axes.
inline CaseInput integers(const std::vector<double>& values) {
  return {.shape = {static_cast<int64_t>(values.size())},
          .dtype = DType::i64,
          .differentiate = false,
          .values = values};
}

/// One op with inputs. Every case brings: the value and every gradient on every instruction set against the
/// double reference, each gradient in double against a central difference, and the same bits on 1, 2, 3 and 8
/// threads.
struct OpCase {
  std::string name;  ///< "conv 3x3 stride 2 groups 2"
  ops::Attributes attributes;
  std::vector<CaseInput> inputs;
  double tolerance = 1e-5;  ///< f32 against double, relative to the largest magnitude of the tensor compared
  int outputs_checked =
      1;  ///< the first so many outputs have values and gradients to check; the rest are saved for backward
};

/// All cases: every family's list, joined in op_cases.cpp.
std::vector<OpCase> op_cases();
/// A case's inputs, the same for the same seed; undefined for an absent one.
std::vector<Tensor> draw_inputs(const OpCase& op_case, uint64_t seed);

}  // namespace pleat::test
