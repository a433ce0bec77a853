#include "graph/builders.hpp"

#include <array>
#include <cmath>

#include "base/format.hpp"
#include "base/random.hpp"
#include "graph/edit.hpp"

namespace pleat {
namespace {

void need_positive(std::string_view what, int64_t value) {
  if (value <= 0) fail(what, " must be positive, got ", value);
}

struct Builder {
  GraphData& graph;
  const std::string& name;
  const std::vector<ValueId>& inputs;

  // PyTorch's kaiming_uniform_ with a = sqrt(5): uniform(-1/sqrt(fan_in), 1/sqrt(fan_in)), for weights and
  // biases alike.
  ValueId uniform(const char* suffix, Shape shape, int64_t fan_in) const {
    return add_parameter(graph, name + suffix, std::move(shape),
                         {Init::Kind::uniform, 1 / std::sqrt(static_cast<double>(fan_in))});
  }
  ValueId constant(const char* suffix, int64_t n, double value) const {
    return add_parameter(graph, name + suffix, {n}, {Init::Kind::constant, value});
  }
  ValueId state(const char* suffix, ValueType type, double value) const {
    return add_state(graph, name + suffix, std::move(type), {Init::Kind::constant, value});
  }

  ValueId node(ops::Attributes attributes, std::vector<ValueId> operands) const {
    return add_node(graph, name, std::move(attributes), std::move(operands))[0];
  }
  ValueId node(ops::Attributes attributes) const { return node(std::move(attributes), inputs); }

  void need_rank(std::string_view layer, int low, int high, std::string_view form) const {
    const Shape& x = graph.value(inputs[0]).type.shape;
    if (x.rank() < low || x.rank() > high)
      fail(name, ": ", layer, " needs an input ", form, ", got ", x.str());
  }

  ValueId operator()(const Linear& layer) const {
    need_positive("in_features", layer.in_features);
    need_positive("out_features", layer.out_features);
    const ValueId weight = uniform(".weight", {layer.out_features, layer.in_features}, layer.in_features);
    const ValueId bias = layer.bias ? uniform(".bias", {layer.out_features}, layer.in_features) : kAbsent;
    return node(ops::Linear{}, {inputs[0], weight, bias, kAbsent});
  }

  ValueId conv(const ops::Window& window, Shape weight_shape, int64_t groups, bool has_bias) const {
    const int64_t fan_in = weight_shape.product(1, weight_shape.rank()), out = weight_shape[0];
    const ValueId weight = uniform(".weight", std::move(weight_shape), fan_in);
    const ValueId bias = has_bias ? uniform(".bias", {out}, fan_in) : kAbsent;
    return node(ops::Conv{.window = window, .groups = groups, .epilogue = {}},
                {inputs[0], weight, bias, kAbsent});
  }

  static void check_conv(int64_t in, int64_t out, int64_t groups) {
    need_positive("in_channels", in);
    need_positive("out_channels", out);
    need_positive("groups", groups);
    if (in % groups != 0 || out % groups != 0) {
      fail("in_channels and out_channels must be divisible by groups, got ", in, ", ", out, " and ", groups);
    }
  }

  ValueId operator()(const Conv1d& layer) const {
    check_conv(layer.in_channels, layer.out_channels, layer.groups);
    need_rank("Conv1d", 3, 3, "(N, C, L)");
    const ops::Window window{.kernel = {1, layer.kernel_size},
                             .stride = {1, layer.stride},
                             .dilation = {1, layer.dilation},
                             .pad_begin = {0, layer.padding},
                             .pad_end = {0, layer.padding}};
    return conv(window, {layer.out_channels, layer.in_channels / layer.groups, layer.kernel_size},
                layer.groups, layer.bias);
  }

  ValueId operator()(const Conv2d& layer) const {
    check_conv(layer.in_channels, layer.out_channels, layer.groups);
    need_rank("Conv2d", 4, 4, "(N, C, H, W)");
    ops::Window window = pool_window(layer.kernel_size, layer.stride, layer.padding);
    window.dilation = {layer.dilation.h, layer.dilation.w};
    return conv(
        window,
        {layer.out_channels, layer.in_channels / layer.groups, layer.kernel_size.h, layer.kernel_size.w},
        layer.groups, layer.bias);
  }

  template <int Dims>
  ValueId operator()(const BatchNorm<Dims>& layer) const {
    need_positive("num_features", layer.num_features);
    const int64_t c = layer.num_features;
    const bool stats = layer.track_running_stats;
    const ValueId weight = layer.affine && layer.scale ? constant(".weight", c, 1) : kAbsent;
    const ValueId bias = layer.affine && layer.shift ? constant(".bias", c, 0) : kAbsent;
    const ValueId mean = stats ? state(".running_mean", {DType::f32, {c}}, 0) : kAbsent;
    const ValueId var = stats ? state(".running_var", {DType::f32, {c}}, 1) : kAbsent;
    const ValueId count = stats ? state(".num_batches_tracked", {DType::i64, {}}, 0) : kAbsent;
    const Shape& x = graph.value(inputs[0]).type.shape;
    if (x.rank() >= 2 && x[1] != kDynamic && x[1] != c) {
      fail(name, ": BatchNorm", Dims, "d of ", c, " features needs ", c, " channels in dimension 1, got ",
           x.str());
    }
    return node(ops::BatchNorm{.spatial_dims = Dims,
                               .eps = layer.eps,
                               .momentum = layer.momentum,
                               .batch_statistics = !stats,
                               .virtual_batch_size = layer.virtual_batch_size,
                               .single_value = layer.single_value,
                               .renorm = layer.renorm},
                {inputs[0], weight, bias, mean, var, count, kAbsent});
  }

  ValueId activate(Activation activation, double alpha = 0) const {
    return node(ops::Activate{.activation = activation, .alpha = alpha});
  }
  ValueId operator()(const ReLU&) const { return activate(Activation::relu); }
  ValueId operator()(const ReLU6&) const { return activate(Activation::relu6); }
  ValueId operator()(const LeakyReLU& layer) const {
    return activate(Activation::leaky_relu, layer.negative_slope);
  }
  ValueId operator()(const Sigmoid&) const { return activate(Activation::sigmoid); }
  ValueId operator()(const SiLU&) const { return activate(Activation::silu); }
  ValueId operator()(const Hardswish&) const { return activate(Activation::hardswish); }
  ValueId operator()(const Tanh&) const { return activate(Activation::tanh); }

  static ops::Window pool_window(Size2 kernel, Size2 stride, Size2 padding) {
    return {.kernel = {kernel.h, kernel.w},
            .stride = {stride.h, stride.w},
            .pad_begin = {padding.h, padding.w},
            .pad_end = {padding.h, padding.w}};
  }
  ValueId operator()(const MaxPool2d& layer) const {
    need_rank("MaxPool2d", 4, 4, "(N, C, H, W)");
    return node(ops::MaxPool{
        pool_window(layer.kernel_size, layer.stride.value_or(layer.kernel_size), layer.padding)});
  }
  ValueId operator()(const AvgPool2d& layer) const {
    need_rank("AvgPool2d", 4, 4, "(N, C, H, W)");
    return node(
        ops::AvgPool{pool_window(layer.kernel_size, layer.stride.value_or(layer.kernel_size), layer.padding),
                     layer.count_include_pad});
  }
  ValueId operator()(const GlobalAvgPool& layer) const { return node(ops::GlobalAvgPool{layer.keep_dims}); }

  ValueId operator()(const Flatten& layer) const { return node(ops::Flatten{layer.start_dim}); }
  ValueId operator()(const Add&) const { return node(ops::Add{}); }
  ValueId operator()(const Concat& layer) const { return node(ops::Concat{layer.dim}); }
  ValueId operator()(const Dropout& layer) const {
    if (!(layer.p >= 0 && layer.p <= 1)) fail(name, ": Dropout's p must be in [0, 1], got ", layer.p);
    const ValueId counter = state(".counter", {DType::i64, {}}, 0);
    graph.value(counter).in_state_dict = false;
    // Each dropout draws from a stream of its own, told apart by its place among the graph's values.
    return node(ops::Dropout{.p = layer.p, .seed = Random::mix(0, static_cast<uint64_t>(counter))},
                {inputs[0], counter});
  }
  ValueId operator()(const Softmax&) const { return node(ops::Softmax{.log = false}); }
  ValueId operator()(const LogSoftmax&) const { return node(ops::Softmax{.log = true}); }
};

}  // namespace

std::string_view kind_of(const Layer& layer) {
  static constexpr std::array<std::string_view, std::variant_size_v<Layer>> kinds = {
      "linear", "conv1d",  "conv2d",     "batchnorm1d",    "batchnorm2d", "batchnorm3d",
      "relu",   "relu6",   "leaky_relu", "sigmoid",        "silu",        "hardswish",
      "tanh",   "maxpool", "avgpool",    "global_avgpool", "flatten",     "add",
      "concat", "dropout", "softmax",    "log_softmax"};
  return kinds[layer.index()];
}

ValueId add_layer(GraphData& graph, const std::string& name, const Layer& layer,
                  const std::vector<ValueId>& inputs) {
  const size_t given = inputs.size();
  const bool any = std::holds_alternative<Concat>(layer);
  const size_t needed = std::holds_alternative<Add>(layer) ? 2 : 1;
  if (any ? given == 0 : given != needed) {
    fail(name, ": ", kind_of(layer), " needs ", any ? "at least 1" : std::to_string(needed),
         " input(s), got ", given);
  }
  return std::visit(Builder{graph, name, inputs}, layer);
}

}  // namespace pleat
