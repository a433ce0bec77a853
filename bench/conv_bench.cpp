// Convolution layers of ResNet-20 (CIFAR-10, training batch), ResNet-18 and -50, MobileNetV2 and MyModel:
// forward with ReLU and weights packed beforehand, input gradient, weight gradient; on one and on two
// threads.

#include <benchmark/benchmark.h>

#include <string>

#include "base/random.hpp"
#include "ops/context.hpp"

namespace pleat {
namespace {

struct Layer {
  const char* name;
  int64_t batch, channels, size, out_channels, kernel, stride, groups;
};

constexpr Layer kLayers[] = {
    {"resnet20 3->16", 128, 3, 32, 16, 3, 1, 1},
    {"resnet20 16", 128, 16, 32, 16, 3, 1, 1},
    {"resnet20 16->32 /2", 128, 16, 32, 32, 3, 2, 1},
    {"resnet20 32", 128, 32, 16, 32, 3, 1, 1},
    {"resnet20 32->64 /2", 128, 32, 16, 64, 3, 2, 1},
    {"resnet20 64", 128, 64, 8, 64, 3, 1, 1},
    {"mymodel 3->64", 64, 3, 32, 64, 3, 1, 1},
    {"resnet18 7x7 /2", 1, 3, 224, 64, 7, 2, 1},
    {"resnet18 64", 1, 64, 56, 64, 3, 1, 1},
    {"resnet18 128", 1, 128, 28, 128, 3, 1, 1},
    {"resnet18 256", 1, 256, 14, 256, 3, 1, 1},
    {"resnet18 512", 1, 512, 7, 512, 3, 1, 1},
    {"resnet18 64 batch 16", 16, 64, 56, 64, 3, 1, 1},
    {"resnet18 512 batch 16", 16, 512, 7, 512, 3, 1, 1},
    {"resnet18 1x1 /2", 1, 64, 56, 128, 1, 2, 1},
    {"resnet50 1x1 64->256", 1, 64, 56, 256, 1, 1, 1},
    {"resnet50 1x1 1024->256", 1, 1024, 14, 256, 1, 1, 1},
    {"mobilenetv2 depthwise 32", 1, 32, 112, 32, 3, 1, 32},
    {"mobilenetv2 depthwise 144 /2", 1, 144, 56, 144, 3, 2, 144},
    {"mobilenetv2 depthwise 384", 1, 384, 14, 384, 3, 1, 384},
    {"mobilenetv2 depthwise 960", 1, 960, 7, 960, 3, 1, 960},
    {"mobilenetv2 1x1 96->576", 1, 96, 14, 576, 1, 1, 1},
};

Tensor random_tensor(const Shape& shape) {
  Tensor tensor(shape);
  Random random(1);
  for (float& v : tensor.span<float>()) v = static_cast<float>(random.uniform(-1, 1));
  return tensor;
}

Tensor bytes(size_t count) {
  return Tensor({static_cast<int64_t>(count / sizeof(float) + 1)});
}

/// One op with all it needs, ready to run again and again.
class Step {
 public:
  Step(const ops::Attributes& attributes, std::vector<Tensor> inputs, bool constant_weights)
      : attributes_(attributes), op_(definition(attributes_)), inputs_(std::move(inputs)) {
    for (Tensor& input : inputs_) input_types_.push_back({input.dtype(), input.shape()});
    InputTypes types;
    for (size_t i = 0; i < inputs_.size(); ++i) {
      types.push_back(&input_types_[i]);
      in_.push_back({inputs_[i].raw(), &input_types_[i]});
    }
    output_type_ = op_.infer(attributes_, types)[0];
    output_ = Tensor(output_type_.shape);
    out_ = {output_.raw(), &output_type_};
    const Workspace need = op_.workspace(attributes_, types, DType::f32);
    const size_t stride = (need.per_worker + 63) / 64 * 64;
    shared_ = bytes(need.shared);
    workers_ = bytes(stride * static_cast<size_t>(max_workers()));
    arguments_ = {in_.data(),
                  static_cast<int>(in_.size()),
                  &out_,
                  shared_.raw(),
                  static_cast<std::byte*>(workers_.raw()),
                  stride,
                  nullptr,
                  &kernels::active_table<float>()};
    if (constant_weights) {
      packed_ = bytes(op_.packed_bytes(attributes_, types, DType::f32));
      op_.pack_f32(attributes_, arguments_, packed_.raw());
      arguments_.packed = packed_.raw();
    }
    flops_ = 2 * static_cast<double>(op_.multiply_adds(attributes_, types));
  }

  void run() { op_.run_f32(attributes_, arguments_); }
  double flops() const { return flops_; }

 private:
  ops::Attributes attributes_;
  const OpDef& op_;
  std::vector<Tensor> inputs_;
  std::vector<ValueType> input_types_;
  std::vector<TensorRef> in_;
  ValueType output_type_;
  Tensor output_, shared_, workers_, packed_;
  TensorRef out_;
  RunArguments arguments_{};
  double flops_ = 0;
};

enum class Pass { forward, input_gradient, weight_gradient };

void run_layer(benchmark::State& state, const Layer& layer, Pass pass, int threads) {
  ops::Window window;
  window.kernel = {layer.kernel, layer.kernel};
  window.stride = {layer.stride, layer.stride};
  window.pad_begin = window.pad_end = {layer.kernel / 2, layer.kernel / 2};
  const int64_t out = (layer.size + layer.kernel / 2 * 2 - layer.kernel) / layer.stride + 1;
  Tensor x = random_tensor({layer.batch, layer.channels, layer.size, layer.size});
  Tensor weight =
      random_tensor({layer.out_channels, layer.channels / layer.groups, layer.kernel, layer.kernel});
  Tensor dy = random_tensor({layer.batch, layer.out_channels, out, out});
  Arena arena(threads);
  arena.execute([&] {
    Step step = pass == Pass::forward ? Step(ops::Conv{window, layer.groups, {Activation::relu, 0}},
                                             {x, weight, random_tensor({layer.out_channels})}, true)
                : pass == Pass::input_gradient
                    ? Step(ops::ConvInputGradient{window, layer.groups}, {weight, dy, x}, false)
                    : Step(ops::ConvWeightGradient{window, layer.groups}, {x, dy, weight}, false);
    for (auto _ : state) step.run();
    state.counters["FLOP/s"] = benchmark::Counter(step.flops() * static_cast<double>(state.iterations()),
                                                  benchmark::Counter::kIsRate);
  });
}

[[maybe_unused]] const bool registered = [] {
  constexpr std::pair<Pass, const char*> kPasses[] = {{Pass::forward, "forward"},
                                                      {Pass::input_gradient, "input gradient"},
                                                      {Pass::weight_gradient, "weight gradient"}};
  for (const Layer& layer : kLayers) {
    for (const auto& [pass, name] : kPasses) {
      for (const int threads : {1, 2}) {
        auto* bench = benchmark::RegisterBenchmark(
            (std::string("conv/") + layer.name + "/" + name + "/threads:" + std::to_string(threads)).c_str(),
            [&layer, pass = pass, threads](benchmark::State& state) {
              run_layer(state, layer, pass, threads);
            });
        // CPU time of the caller is right for one thread even on a busy machine.
        bench->Unit(benchmark::kMicrosecond);
        if (threads > 1) bench->UseRealTime();
      }
    }
  }
  return true;
}();

}  // namespace
}  // namespace pleat
