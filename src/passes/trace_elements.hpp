#pragma once

#include <functional>
#include <string>
#include <vector>

#include "passes/affine.hpp"

namespace pleat {

/// The source of an element that is a Pad's constant.
inline constexpr int64_t kPadding = -1;
inline constexpr size_t kPadValue = 2;  ///< Pad's input

/// Where the elements of an op's results come from: the elements of its data inputs are numbered 0, 1, 2 ...,
/// every dynamic dimension having some size that shows all there is to see.
struct Trace {
  struct Input {
    Shape shape = {};
    int64_t first = -1;  ///< number of the first element; -1: no data (axes, sizes)
  };
  std::string refusal = {};  ///< why the elements cannot be followed
  std::vector<Input> inputs = {};
  std::vector<Shape> outputs = {};
  std::vector<std::vector<int64_t>> sources = {};  ///< by output
};

/// Whether the node only moves elements.
bool moves_elements(const Node& node);
/// Of a node that does. `affine` is of one of its values: dimensions that it does not vary along may be made
/// smaller.
Trace trace_elements(const GraphData& graph, const Node& node, const Affine& affine);
/// Of a node that is no view; `sizes` says which shape shows all there is to see of a data input's.
Trace trace_elements(const GraphData& graph, const Node& node,
                     const std::function<Shape(const Shape&)>& sizes);

}  // namespace pleat
