#include "pleat/models.hpp"

#include <algorithm>

#include "base/format.hpp"

namespace pleat::models {
namespace {

// Adds layers one after another.
class Chain {
 public:
  Chain(Graph& graph, Value x) : graph_(graph), x_(x) {}
  Chain& then(const std::string& name, const Layer& layer) {
    x_ = graph_.add(name, layer, {x_});
    return *this;
  }
  Chain& then(const Layer& layer) {
    x_ = graph_.add(layer, {x_});
    return *this;
  }
  Value value() const { return x_; }

 private:
  Graph& graph_;
  Value x_;
};

Conv2d conv3x3(int64_t in, int64_t out, int64_t stride = 1) {
  return {.in_channels = in,
          .out_channels = out,
          .kernel_size = 3,
          .stride = stride,
          .padding = 1,
          .bias = false};
}

Conv2d conv1x1(int64_t in, int64_t out, int64_t stride = 1) {
  return {.in_channels = in, .out_channels = out, .kernel_size = 1, .stride = stride, .bias = false};
}

// torchvision's BasicBlock and Bottleneck: main path, shortcut where the shape changes, sum, ReLU.
struct ResidualBlock {
  bool bottleneck;
  int64_t in, width, stride;

  int64_t out() const { return bottleneck ? width * 4 : width; }

  Value add_to(Graph& graph, const std::string& name, Value x) const {
    Chain main(graph, x);
    if (bottleneck) {
      main.then(name + ".conv1", conv1x1(in, width)).then(name + ".bn1", BatchNorm2d{width}).then(ReLU{});
      main.then(name + ".conv2", conv3x3(width, width, stride))
          .then(name + ".bn2", BatchNorm2d{width})
          .then(ReLU{});
      main.then(name + ".conv3", conv1x1(width, out())).then(name + ".bn3", BatchNorm2d{out()});
    } else {
      main.then(name + ".conv1", conv3x3(in, width, stride))
          .then(name + ".bn1", BatchNorm2d{width})
          .then(ReLU{});
      main.then(name + ".conv2", conv3x3(width, width)).then(name + ".bn2", BatchNorm2d{width});
    }
    Chain shortcut(graph, x);
    if (stride != 1 || in != out()) {
      shortcut.then(name + ".downsample.0", conv1x1(in, out(), stride))
          .then(name + ".downsample.1", BatchNorm2d{out()});
    }
    return graph.add(ReLU{}, {graph.add(Add{}, {main.value(), shortcut.value()})});
  }
};

void finish(Graph& graph, Value x, const std::string& classifier, int64_t features, int64_t classes) {
  graph.output("y",
               Chain(graph, x).then(GlobalAvgPool{}).then(classifier, Linear{features, classes}).value());
}

// Stages of residual blocks; each but the first halves the image. Returns the channels of the last.
int64_t add_stages(Graph& graph, Value& x, bool bottleneck, int64_t in, int64_t first_width,
                   const std::vector<int64_t>& blocks) {
  for (size_t stage = 0; stage < blocks.size(); ++stage) {
    for (int64_t i = 0; i < blocks[stage]; ++i) {
      const ResidualBlock block{bottleneck, in, first_width << stage, stage > 0 && i == 0 ? 2 : 1};
      x = block.add_to(graph, concat("layer", stage + 1, ".", i), x);
      in = block.out();
    }
  }
  return in;
}

Graph resnet_imagenet(bool bottleneck, const std::vector<int64_t>& blocks, int64_t classes) {
  Graph graph;
  Chain stem(graph, graph.input("x", {kDynamic, 3, kDynamic, kDynamic}));
  stem.then("conv1", Conv2d{.in_channels = 3,
                            .out_channels = 64,
                            .kernel_size = 7,
                            .stride = 2,
                            .padding = 3,
                            .bias = false})
      .then("bn1", BatchNorm2d{64})
      .then(ReLU{})
      .then(MaxPool2d{.kernel_size = 3, .stride = 2, .padding = 1});
  Value x = stem.value();
  const int64_t features = add_stages(graph, x, bottleneck, 64, 64, blocks);
  finish(graph, x, "fc", features, classes);
  return graph;
}

// torchvision's InvertedResidual: expand 1x1, depthwise 3x3, project 1x1; the sum where the shape stays.
Value inverted_residual(Graph& graph, const std::string& name, Value x, int64_t in, int64_t out,
                        int64_t stride, int64_t expand) {
  const int64_t hidden = in * expand;
  Chain main(graph, x);
  int index = 0;
  const auto next = [&] { return concat(name, ".conv.", index++); };
  if (expand != 1) {
    const std::string block = next();
    main.then(block + ".0", conv1x1(in, hidden)).then(block + ".1", BatchNorm2d{hidden}).then(ReLU6{});
  }
  Conv2d depthwise = conv3x3(hidden, hidden, stride);
  depthwise.groups = hidden;
  const std::string block = next();
  main.then(block + ".0", depthwise).then(block + ".1", BatchNorm2d{hidden}).then(ReLU6{});
  main.then(next(), conv1x1(hidden, out));
  main.then(next(), BatchNorm2d{out});
  return stride == 1 && in == out ? graph.add(Add{}, {x, main.value()}) : main.value();
}

using Maker = Graph (*)(const Sizes&);

struct Entry {
  std::string_view name;
  Sizes published;
  Maker make;
};

constexpr Sizes kImageNet{.channels = 3, .height = 224, .width = 224, .classes = 1000};

const Entry kModels[] = {
    {"net", {.features = 10}, [](const Sizes&) { return net(); }},
    {"custom", {}, [](const Sizes& s) { return custom(s.features, s.hidden, s.classes); }},
    {"mlp",
     {.features = 784, .hidden = 512},
     [](const Sizes& s) { return mlp(s.features, s.hidden, s.classes); }},
    {"mymodel", {}, [](const Sizes&) { return mymodel(kDynamic); }},
    {"cnn",
     {.channels = 1, .height = 28, .width = 28},
     [](const Sizes& s) { return small_cnn(s.channels, s.classes); }},
    {"resnet20", {}, [](const Sizes& s) { return resnet20(s.classes); }},
    {"resnet18", kImageNet, [](const Sizes& s) { return resnet18(s.classes); }},
    {"resnet50", kImageNet, [](const Sizes& s) { return resnet50(s.classes); }},
    {"mobilenetv2", kImageNet, [](const Sizes& s) { return mobilenetv2(s.classes); }},
};

const Entry& entry(std::string_view name) {
  for (const Entry& model : kModels) {
    if (model.name == name) return model;
  }
  std::string list;
  for (const Entry& model : kModels) list += (list.empty() ? "" : ", ") + std::string(model.name);
  fail("no built-in model '", name, "'; there are: ", list);
}

}  // namespace

Graph net() {
  Graph graph;
  Chain chain(graph, graph.input("x", {kDynamic, 10}));
  chain.then("fc1", Linear{10, 20}).then("bn1", BatchNorm1d{20}).then(ReLU{}).then("fc2", Linear{20, 10});
  graph.output("y", chain.value());
  return graph;
}

Graph custom(int64_t in_features, int64_t hidden, int64_t out_features) {
  Graph graph;
  Chain chain(graph, graph.input("x", {kDynamic, in_features}));
  chain.then("fc1", Linear{in_features, hidden}).then("bn1", BatchNorm1d{hidden}).then(ReLU{});
  chain.then("fc2", Linear{hidden, out_features}).then("bn2", BatchNorm1d{out_features});
  graph.output("y", chain.value());
  return graph;
}

Graph mlp(int64_t in_features, int64_t hidden, int64_t out_features) {
  Graph graph;
  Chain chain(graph, graph.input("x", {kDynamic, in_features}));
  chain.then("fc1", Linear{in_features, hidden}).then("bn1", BatchNorm1d{hidden}).then(ReLU{});
  chain.then("fc2", Linear{hidden, hidden}).then("bn2", BatchNorm1d{hidden}).then(ReLU{});
  chain.then("fc3", Linear{hidden, out_features});
  graph.output("y", chain.value());
  return graph;
}

Graph mymodel(int64_t size) {
  Graph graph;
  Chain chain(graph, graph.input("x", {kDynamic, 3, size, size}));
  chain.then("conv1", Conv2d{.in_channels = 3, .out_channels = 64, .kernel_size = 3})
      .then("bn1", BatchNorm2d{64});
  chain.then(ReLU{}).then(GlobalAvgPool{}).then("fc1", Linear{64, 10}).then("bn2", BatchNorm1d{10});
  graph.output("y", chain.value());
  return graph;
}

Graph small_cnn(int64_t channels, int64_t classes) {
  Graph graph;
  Chain chain(graph, graph.input("x", {kDynamic, channels, kDynamic, kDynamic}));
  chain.then("conv1", conv3x3(channels, 32)).then("bn1", BatchNorm2d{32}).then(ReLU{});
  chain.then("conv2", conv3x3(32, 32))
      .then("bn2", BatchNorm2d{32})
      .then(ReLU{})
      .then(MaxPool2d{.kernel_size = 2});
  chain.then("conv3", conv3x3(32, 64))
      .then("bn3", BatchNorm2d{64})
      .then(ReLU{})
      .then(MaxPool2d{.kernel_size = 2});
  chain.then("conv4", conv3x3(64, 128)).then("bn4", BatchNorm2d{128}).then(ReLU{});
  finish(graph, chain.value(), "fc", 128, classes);
  return graph;
}

Graph resnet20(int64_t classes) {
  Graph graph;
  Chain stem(graph, graph.input("x", {kDynamic, 3, kDynamic, kDynamic}));
  stem.then("conv1", conv3x3(3, 16)).then("bn1", BatchNorm2d{16}).then(ReLU{});
  Value x = stem.value();
  const int64_t features = add_stages(graph, x, /*bottleneck=*/false, 16, 16, {3, 3, 3});
  finish(graph, x, "fc", features, classes);
  return graph;
}

Graph resnet18(int64_t classes) {
  return resnet_imagenet(/*bottleneck=*/false, {2, 2, 2, 2}, classes);
}

Graph resnet50(int64_t classes) {
  return resnet_imagenet(/*bottleneck=*/true, {3, 4, 6, 3}, classes);
}

Graph mobilenetv2(int64_t classes) {
  struct Setting {
    int64_t expand, out, repeats, stride;
  };
  static constexpr Setting settings[] = {{1, 16, 1, 1}, {6, 24, 2, 2},  {6, 32, 3, 2}, {6, 64, 4, 2},
                                         {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}};
  Graph graph;
  Chain stem(graph, graph.input("x", {kDynamic, 3, kDynamic, kDynamic}));
  stem.then("features.0.0", conv3x3(3, 32, 2)).then("features.0.1", BatchNorm2d{32}).then(ReLU6{});
  Value x = stem.value();
  int64_t in = 32;
  int index = 1;
  for (const Setting& setting : settings) {
    for (int64_t i = 0; i < setting.repeats; ++i) {
      x = inverted_residual(graph, concat("features.", index++), x, in, setting.out,
                            i == 0 ? setting.stride : 1, setting.expand);
      in = setting.out;
    }
  }
  Chain head(graph, x);
  head.then("features.18.0", conv1x1(in, 1280)).then("features.18.1", BatchNorm2d{1280}).then(ReLU6{});
  head.then(GlobalAvgPool{}).then("classifier.0", Dropout{0.2}).then("classifier.1", Linear{1280, classes});
  graph.output("y", head.value());
  return graph;
}

std::vector<std::string> names() {
  std::vector<std::string> list;
  for (const Entry& model : kModels) list.emplace_back(model.name);
  return list;
}

Sizes default_sizes(std::string_view name) {
  return entry(name).published;
}

Graph build(std::string_view name, const Sizes* sizes) {
  const Entry& model = entry(name);
  return model.make(sizes != nullptr ? *sizes : model.published);
}

}  // namespace pleat::models
