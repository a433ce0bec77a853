#pragma once

#include <cstdint>
#include <string>

#include "pleat/data.hpp"
#include "pleat/graph.hpp"
#include "pleat/models.hpp"

namespace pleat::tools {

/// `defaults` with what the data decides: features, channels, height, width, classes. Flat items count as a
/// square image of one or three channels where their number allows it.
models::Sizes sizes_from(const Dataset& data, models::Sizes defaults);

/// `inputs` under the shape that a network's input wants: flat items as images and the reverse, where there
/// is one way to do it. Error says what was given and needed; `model` names the network in it.
Tensor shaped_for(const Shape& wanted, const Tensor& inputs, const std::string& model);

/// `shape` with `batch` items; other dynamic dimensions become the images' height and width.
Shape with_batch(Shape shape, int64_t batch, const models::Sizes& sizes);

/// The network's only input and output. Error where it has more.
Shape input_shape(const Graph& graph, const std::string& model);
Shape output_shape(const Graph& graph, const std::string& model);

/// Standard normal numbers that depend on `seed` only.
Tensor random_inputs(const Shape& shape, uint64_t seed);
/// Labels drawn evenly from [0, classes).
Tensor random_labels(int64_t count, int64_t classes, uint64_t seed);

}  // namespace pleat::tools
