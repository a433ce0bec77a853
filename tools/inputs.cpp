#include "inputs.hpp"

#include <algorithm>
#include <cmath>
#include <optional>
#include <random>

#include "pleat/error.hpp"
#include "pleat/npy.hpp"
#include "pleat/onnx.hpp"

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
                items(inputs.shape()) + ". `custom`, `mlp` and `cnn` take their sizes from the data");
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

std::vector<Tensor> random_input_set(const Graph& graph, int64_t batch, const models::Sizes& sizes,
                                     uint64_t seed) {
  std::vector<Tensor> set;
  for (const Value value : graph.inputs()) {
    const Shape shape = with_batch(graph.shape(value), batch, sizes);
    if (!shape.is_static()) {
      throw Error("input " + graph.name(value) + " is " + shape.str() + ": give its data with --input");
    }
    Tensor drawn = random_inputs(shape, seed + set.size());
    if (graph.dtype(value) != DType::f32) {
      for (float& x : drawn.span<float>()) x = x > 0 ? 1.0f : 0.0f;
    }
    set.push_back(drawn.to(graph.dtype(value)));
  }
  return set;
}

Tensor read_array(const std::filesystem::path& file) {
  return file.extension() == ".pb" ? read_onnx_tensor(file) : read_npy(file);
}

std::vector<Tensor> read_input_set(const Graph& graph, const std::vector<std::string>& given,
                                   const std::string& model) {
  const std::vector<Value> inputs = graph.inputs();
  std::vector<Tensor> set(inputs.size());
  for (const std::string& text : given) {
    const size_t equals = text.find('=');
    const bool named = equals != std::string::npos && !std::filesystem::exists(text);
    const std::string name = named ? text.substr(0, equals) : graph.name(inputs.at(0));
    if (!named && inputs.size() != 1) {
      throw Error(model + " has " + std::to_string(inputs.size()) + " inputs: give each as NAME=" + text);
    }
    const auto place =
        std::find_if(inputs.begin(), inputs.end(), [&](Value value) { return graph.name(value) == name; });
    if (place == inputs.end()) {
      std::string names;
      for (const Value value : inputs) names += (names.empty() ? "" : ", ") + graph.name(value);
      throw Error(model + " has no input named " + name + "; there are: " + names);
    }
    Tensor& target = set[static_cast<size_t>(place - inputs.begin())];
    if (target.defined()) throw Error("input " + name + " was given twice");
    target = read_array(named ? text.substr(equals + 1) : text);
  }
  for (size_t i = 0; i < set.size(); ++i) {
    if (!set[i].defined())
      throw Error(model + " needs its input " + graph.name(inputs[i]) + ": none was given");
  }
  return set;
}

Tensor random_labels(int64_t count, int64_t classes, uint64_t seed) {
  Tensor tensor(Shape{count}, DType::i64);
  std::mt19937_64 generator(seed);
  std::uniform_int_distribution<int64_t> uniform(0, classes - 1);
  for (int64_t& label : tensor.span<int64_t>()) label = uniform(generator);
  return tensor;
}

}  // namespace pleat::tools
