#pragma once

#include <vector>

#include "ops/op.hpp"

namespace pleat::test {

/// The type of an op's first output, given its inputs'.
inline ValueType inferred(const ops::Attributes& attributes, const std::vector<ValueType>& inputs) {
  InputTypes in;
  for (const ValueType& type : inputs) in.push_back(&type);
  return definition(attributes).infer(attributes, in)[0];
}

}  // namespace pleat::test
