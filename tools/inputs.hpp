#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

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
/// A random tensor for each of the network's inputs: normal numbers; zeros and ones where it wants whole
/// ones. Error where an input leaves more open than with_batch settles.
std::vector<Tensor> random_input_set(const Graph& graph, int64_t batch, const models::Sizes& sizes,
                                     uint64_t seed);

/// The array in a .npy file, or in a .pb file, ONNX's form for one tensor.
Tensor read_array(const std::filesystem::path& file);
/// One array for each of the network's inputs, from "NAME=FILE", or "FILE" where there is one input. Error
/// says which is missing or not known.
std::vector<Tensor> read_input_set(const Graph& graph, const std::vector<std::string>& given,
                                   const std::string& model);
/// Labels drawn evenly from [0, classes).
Tensor random_labels(int64_t count, int64_t classes, uint64_t seed);

}  // namespace pleat::tools
