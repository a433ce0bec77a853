#include "inputs.hpp"

#include <cmath>
#include <optional>
#include <random>

#include "pleat/error.hpp"

namespace pleat::tools {

namespace {

/// The side of a square of that many pixels.
std::optional<int64_t> square_side(int64_t pixels) {
  const auto side = std::llround(std::sqrt(static_cast<double>(pixels)));
  return side * side == pixels ? std::optional<int64_t>(side) : std::nullopt;
}

std::string items(const Shape& shape) {
  Shape item = shape;
  if (item.rank() > 0) item[0] = kDynamic;
  return item.str();
}

bool accepts(const Shape& wanted, const Shape& given) {
  if (wanted.rank() != given.rank()) return false;
  for (int i = 0; i < wanted.rank(); ++i) {
    if (wanted[i] != kDynamic && wanted[i] != given[i]) return false;
  }
  return true;
}

/// (N, F) as (N, C, H, W): the dimensions that `wanted` leaves open as a square.
std::optional<Shape> as_image(const Shape& wanted, const Shape& given) {
  Shape image = wanted;
  image[0] = given[0];
  if (wanted[1] != kDynamic && wanted[2] == kDynamic && wanted[3] == kDynamic && given[1] % wanted[1] == 0) {
    const auto side = square_side(given[1] / wanted[1]);
    if (side) image[2] = image[3] = *side;
  }
  if (!image.is_static() || image.product(1, 4) != given[1]) return std::nullopt;
  return image;
}

std::optional<Shape> reshaped(const Shape& wanted, const Shape& given) {
  constexpr int kFlat = 2, kImages = 4;
  if (accepts(wanted, given)) return given;
  if (wanted.rank() == kFlat && given.rank() > kFlat && given.product(1, given.rank()) == wanted[1]) {
    return Shape{given[0], wanted[1]};
  }
  if (wanted.rank() == kImages && given.rank() == kFlat) return as_image(wanted, given);
  return std::nullopt;
}

Shape only(const Graph& graph, const std::vector<Value>& values, const std::string& model, const char* what) {
  if (values.size() != 1) {
    throw Error(model + " has " + std::to_string(values.size()) + " " + what + "s; this command needs one");
  }
  return graph.shape(values.front());
}

}  // namespace

models::Sizes sizes_from(const Dataset& data, models::Sizes sizes) {
  const Shape& shape = data.inputs.shape();
  sizes.classes = data.classes;
  sizes.features = shape.product(1, shape.rank());
  if (shape.rank() == 4) {
    sizes.channels = shape[1];
    sizes.height = shape[2];
    sizes.width = shape[3];
    return sizes;
  }
  for (const int64_t channels : {1, 3}) {
    const auto side = sizes.features % channels == 0 ? square_side(sizes.features / channels) : std::nullopt;
    if (!side) continue;
    sizes.channels = channels;
    sizes.height = sizes.width = *side;
    break;
  }
  return sizes;
}

Tensor shaped_for(const Shape& wanted, const Tensor& inputs, const std::string& model) {
  const auto shape = reshaped(wanted, inputs.shape());
  if (!shape) {
    throw Error(model + " takes inputs of shape " + wanted.str() + "; the data's are " +
                items(inputs.shape()) + ". `custom` and `cnn` take their sizes from the data");
  }
  return inputs.reshape(*shape);
}

Shape with_batch(Shape shape, int64_t batch, const models::Sizes& sizes) {
  if (shape.rank() > 0 && shape[0] == kDynamic) shape[0] = batch;
  if (shape.rank() == 4) {
    if (shape[2] == kDynamic) shape[2] = sizes.height;
    if (shape[3] == kDynamic) shape[3] = sizes.width;
  }
  return shape;
}

Shape input_shape(const Graph& graph, const std::string& model) {
  return only(graph, graph.inputs(), model, "input");
}

Shape output_shape(const Graph& graph, const std::string& model) {
  return only(graph, graph.outputs(), model, "output");
}

Tensor random_inputs(const Shape& shape, uint64_t seed) {
  Tensor tensor(shape);
  std::mt19937_64 generator(seed);
  std::normal_distribution<float> normal;
  for (float& value : tensor.span<float>()) value = normal(generator);
  return tensor;
}

Tensor random_labels(int64_t count, int64_t classes, uint64_t seed) {
  Tensor tensor(Shape{count}, DType::i64);
  std::mt19937_64 generator(seed);
  std::uniform_int_distribution<int64_t> uniform(0, classes - 1);
  for (int64_t& label : tensor.span<int64_t>()) label = uniform(generator);
  return tensor;
}

}  // namespace pleat::tools
