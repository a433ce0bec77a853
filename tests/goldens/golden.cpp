#include "goldens/golden.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <map>

namespace pleat::test {

using nlohmann::json;

namespace {

/// A node's arguments, each of which must be asked for: an argument that the reader does not know is an
/// error.
class Arguments {
 public:
  explicit Arguments(const json& node) : arguments_(node.at("args")), left_(arguments_.size()) {}

  const json* find(const char* name) {
    const auto at = arguments_.find(name);
    if (at == arguments_.end()) return nullptr;
    --left_;
    return &*at;
  }
  template <class T>
  void take(const char* name, T& field) {
    if (const json* value = find(name)) field = value->get<T>();
  }
  void take(const char* name, Size2& field) {
    if (const json* value = find(name)) field = size2(*value);
  }
  void take(const char* name, std::optional<Size2>& field) {
    if (const json* value = find(name)) field = size2(*value);
  }
  void take(const char* name, std::optional<double>& field) {
    if (const json* value = find(name)) {
      field = value->is_null() ? std::nullopt : std::optional<double>(value->get<double>());
    }
  }
  void take(const char* name, std::optional<BatchRenorm>& field) {
    if (const json* value = find(name)) {
      field = {value->at("r_max"), value->at("d_max"), value->at("ramp_begin"), value->at("r_ramp_end"),
               value->at("d_ramp_end")};
    }
  }
  void all_taken(const json& node) const {
    if (left_ != 0) throw Error("golden: unknown argument in " + node.dump());
  }

 private:
  static Size2 size2(const json& value) {
    return value.is_array() ? Size2(value.at(0).get<int64_t>(), value.at(1).get<int64_t>())
                            : Size2(value.get<int64_t>());
  }

  const json& arguments_;
  size_t left_;
};

Layer linear(Arguments& from) {
  Linear layer{0, 0};
  from.take("in_features", layer.in_features);
  from.take("out_features", layer.out_features);
  from.take("bias", layer.bias);
  return layer;
}

template <class Conv>
Layer conv(Arguments& from) {
  Conv layer{0, 0, 1};
  from.take("in_channels", layer.in_channels);
  from.take("out_channels", layer.out_channels);
  from.take("kernel_size", layer.kernel_size);
  from.take("stride", layer.stride);
  from.take("padding", layer.padding);
  from.take("dilation", layer.dilation);
  from.take("groups", layer.groups);
  from.take("bias", layer.bias);
  return layer;
}

template <int Dims>
Layer batch_norm(Arguments& from) {
  BatchNorm<Dims> layer{0};
  from.take("num_features", layer.num_features);
  from.take("eps", layer.eps);
  from.take("momentum", layer.momentum);
  from.take("affine", layer.affine);
  from.take("track_running_stats", layer.track_running_stats);
  from.take("scale", layer.scale);
  from.take("shift", layer.shift);
  from.take("virtual_batch_size", layer.virtual_batch_size);
  from.take("renorm", layer.renorm);
  return layer;
}

template <class Pool>
Layer pool(Arguments& from) {
  Pool layer{1};
  from.take("kernel_size", layer.kernel_size);
  from.take("stride", layer.stride);
  from.take("padding", layer.padding);
  if constexpr (requires { layer.count_include_pad; }) {
    from.take("count_include_pad", layer.count_include_pad);
  }
  return layer;
}

template <class Plain>
Layer plain(Arguments&) {
  return Plain{};
}

template <class Kind, auto Field>
Layer one_argument(Arguments& from, const char* name) {
  Kind layer{};
  from.take(name, layer.*Field);
  return layer;
}

const std::map<std::string, Layer (*)(Arguments&)>& readers() {
  static const std::map<std::string, Layer (*)(Arguments&)> table{
      {"Linear", linear},
      {"Conv1d", conv<Conv1d>},
      {"Conv2d", conv<Conv2d>},
      {"BatchNorm1d", batch_norm<1>},
      {"BatchNorm2d", batch_norm<2>},
      {"BatchNorm3d", batch_norm<3>},
      {"ReLU", plain<ReLU>},
      {"ReLU6", plain<ReLU6>},
      {"LeakyReLU",
       [](Arguments& from) {
         return one_argument<LeakyReLU, &LeakyReLU::negative_slope>(from, "negative_slope");
       }},
      {"Sigmoid", plain<Sigmoid>},
      {"SiLU", plain<SiLU>},
      {"Hardswish", plain<Hardswish>},
      {"Tanh", plain<Tanh>},
      {"MaxPool2d", pool<MaxPool2d>},
      {"AvgPool2d", pool<AvgPool2d>},
      {"GlobalAvgPool",
       [](Arguments& from) {
         return one_argument<GlobalAvgPool, &GlobalAvgPool::keep_dims>(from, "keep_dims");
       }},
      {"Flatten",
       [](Arguments& from) { return one_argument<Flatten, &Flatten::start_dim>(from, "start_dim"); }},
      {"Add", plain<Add>},
      {"Concat", [](Arguments& from) { return one_argument<Concat, &Concat::dim>(from, "dim"); }},
      {"Dropout", [](Arguments& from) { return one_argument<Dropout, &Dropout::p>(from, "p"); }},
      {"Softmax", plain<Softmax>},
      {"LogSoftmax", plain<LogSoftmax>},
  };
  return table;
}

}  // namespace

GoldenFile::GoldenFile(const std::string& name)
    : content_(read_safetensors(std::string(PLEAT_SOURCE_DIR) + "/tests/goldens/" + name + ".safetensors")),
      cases_(json::parse(content_.metadata.at("cases"))) {}

const Tensor& GoldenFile::tensor(const std::string& name) const {
  const Tensor* tensor = find(content_.tensors, name);
  if (tensor == nullptr) throw Error("golden: no tensor " + name);
  return *tensor;
}

StateDict GoldenFile::group(const std::string& prefix) const {
  StateDict members;
  for (const auto& [name, tensor] : content_.tensors) {
    if (name.starts_with(prefix + "/")) members.emplace_back(name.substr(prefix.size() + 1), tensor);
  }
  return members;
}

Layer layer_of(const json& node) {
  Arguments arguments(node);
  Layer layer = readers().at(node.at("type").get<std::string>())(arguments);
  arguments.all_taken(node);
  return layer;
}

Graph graph_of(const json& nodes, const json& inputs) {
  Graph graph;
  std::map<std::string, Value> values;
  for (const auto& [name, dims] : inputs.items()) {
    Shape shape(dims.get<std::vector<int64_t>>());
    shape[0] = kDynamic;
    values[name] = graph.input(name, shape);
  }
  Value last;
  for (const json& node : nodes) {
    std::vector<Value> from;
    for (const json& name : node.at("inputs")) from.push_back(values.at(name.get<std::string>()));
    const auto name = node.at("name").get<std::string>();
    last = values[name] = graph.add(name, layer_of(node), from);
  }
  graph.output("y", last);
  return graph;
}

Tensor step_of(const Tensor& stack, int64_t step) {
  std::vector<int64_t> dims(stack.shape().begin() + 1, stack.shape().end());
  Tensor one(Shape(dims), stack.dtype());
  if (one.bytes() == 0) return one;
  std::memcpy(one.raw(), static_cast<const std::byte*>(stack.raw()) + one.bytes() * static_cast<size_t>(step),
              one.bytes());
  return one;
}

double deviation(const Tensor& got, const Tensor& wanted, double floor) {
  if (got.shape() != wanted.shape()) {
    throw Error("golden: shape " + got.shape().str() + " where " + wanted.shape().str() + " is wanted");
  }
  const Tensor a = got.to(DType::f64), b = wanted.to(DType::f64);
  const auto values = a.span<double>(), right = b.span<double>();
  double difference = 0, size = floor;
  for (size_t i = 0; i < right.size(); ++i) {
    const double d = std::abs(values[i] - right[i]);
    if (!(d <= std::numeric_limits<double>::max())) return std::numeric_limits<double>::infinity();
    difference = std::max(difference, d);
    size = std::max(size, std::abs(right[i]));
  }
  return difference / size;
}

double loss_deviation(std::span<const double> losses, std::span<const double> wanted) {
  if (losses.size() != wanted.size()) throw Error("golden: another number of losses than is wanted");
  double worst = 0;
  for (size_t i = 0; i < losses.size(); ++i) {
    if (!std::isfinite(losses[i])) return std::numeric_limits<double>::infinity();
    worst = std::max(worst, std::abs(losses[i] / wanted[i] - 1));
  }
  return worst;
}

}  // namespace pleat::test
