// Convolution layers of real networks, channels last as networks run them: forward with ReLU and weights
// packed beforehand, by the algorithm of least cost and, where that is Winograd's, by plain sums (`precise`);
// input gradient, weight gradient; on one and on two threads.

#include "base/format.hpp"
#include "conv_layers.hpp"
#include "kernels_bench.hpp"
#include "ops/context.hpp"

namespace pleat::bench {
namespace {

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

enum class Pass { forward, precise, input_gradient, weight_gradient };

/// Images are read as they come (N, C, H, W) by a network's first convolution.
bool reads_images(const ConvLayer& layer) {
  return layer.channels == 3;
}

void run_layer(benchmark::State& state, const ConvLayer& layer, Pass pass, int threads) {
  ops::Window window;
  window.kernel = {layer.kernel, layer.kernel};
  window.stride = {layer.stride, layer.stride};
  window.pad_begin = window.pad_end = {layer.kernel / 2, layer.kernel / 2};
  const int64_t out = (layer.size + layer.kernel / 2 * 2 - layer.kernel) / layer.stride + 1;
  const bool forward = pass == Pass::forward || pass == Pass::precise;
  const bool planar = forward && reads_images(layer);
  Tensor x = random_tensor(planar ? Shape{layer.batch, layer.channels, layer.size, layer.size}
                                  : Shape{layer.batch, layer.size, layer.size, layer.channels});
  Tensor weight =
      random_tensor({layer.out_channels, layer.channels / layer.groups, layer.kernel, layer.kernel});
  Tensor dy = random_tensor({layer.batch, out, out, layer.out_channels});
  const ops::ConvChannelsLast conv{.window = window,
                                   .groups = layer.groups,
                                   .epilogue = {Activation::relu, 0},
                                   .precise = pass == Pass::precise,
                                   .planar = planar};
  Arena arena(threads);
  arena.execute([&] {
    Step step = forward ? Step(conv, {x, weight, random_tensor({layer.out_channels})}, true)
                : pass == Pass::input_gradient
                    ? Step(ops::ConvChannelsLastInputGradient{window, layer.groups}, {weight, dy, x}, false)
                    : Step(ops::ConvChannelsLastWeightGradient{window, layer.groups}, {x, dy, weight}, false);
    for (auto _ : state) step.run();
    count_flops(state, step.flops(), threads);
  });
}

/// "resnet50/3x3 128->128 /2 @56": the kernel, channels, stride and the image's size.
std::string name_of(const ConvLayer& layer) {
  std::string name = concat(layer.network, "/", layer.kernel, "x", layer.kernel, " ", layer.channels, "->",
                            layer.out_channels);
  if (layer.groups > 1) name += layer.groups == layer.channels ? " depthwise" : concat(" in ", layer.groups);
  if (layer.stride > 1) name += concat(" /", layer.stride);
  name += concat(" @", layer.size);
  if (layer.batch > 1) name += concat(" batch ", layer.batch);
  return name;
}

[[maybe_unused]] const bool registered = [] {
  constexpr std::pair<Pass, const char*> kPasses[] = {{Pass::forward, "forward"},
                                                      {Pass::precise, "precise"},
                                                      {Pass::input_gradient, "input gradient"},
                                                      {Pass::weight_gradient, "weight gradient"}};
  for (const ConvLayer& layer : kConvLayers) {
    for (const auto& [pass, name] : kPasses) {
      const bool winograd = layer.kernel == 3 && layer.stride == 1 && layer.groups == 1;
      if (pass == Pass::precise && !winograd) continue;
      for (const int threads : {1, 2}) {
        auto* bench = benchmark::RegisterBenchmark(
            concat("conv/", name_of(layer), "/", name, "/threads:", threads).c_str(),
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
}  // namespace pleat::bench
