// oneDNN's own best for a ResNet's layers, each by itself: the sum of the times of its convolutions with
// ReLU; with --train of these without it, of their two gradients, and of batch norm with ReLU and its
// gradient. Every primitive chooses its layout, and what would lie between them, reorders and additions, is
// not counted. Prints {"median_us": ..., "min_us": ...}, sums of each layer's; or with --probe oneDNN's
// version.

#include <omp.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <dnnl.hpp>
#include <filesystem>
#include <map>
#include <optional>
#include <stdexcept>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

namespace {

using dnnl::memory;

struct Options {
  std::string network;
  int64_t batch = 1, size = 224;
  int threads = 1;
  double seconds = 2;
  bool train = false;
};

struct Layer {
  int64_t channels, size, out_channels, kernel, stride;
  auto operator<=>(const Layer&) const = default;
  int64_t out_size() const { return (size + kernel / 2 * 2 - kernel) / stride + 1; }
};

// He et al. 2016, as torchvision has them: each shape of convolution, and how often it is there.
std::map<Layer, int> resnet(const std::string& name, int64_t size) {
  const bool bottleneck = name == "resnet50";
  const std::vector<int> blocks = bottleneck ? std::vector{3, 4, 6, 3} : std::vector{2, 2, 2, 2};
  std::map<Layer, int> layers = {{{3, size, 64, 7, 2}, 1}};
  int64_t channels = 64, width = 64;
  size /= 4;
  for (size_t stage = 0; stage < blocks.size(); ++stage, width *= 2) {
    for (int block = 0; block < blocks[stage]; ++block) {
      const int64_t stride = stage > 0 && block == 0 ? 2 : 1, out = bottleneck ? 4 * width : width;
      if (bottleneck) {
        ++layers[{channels, size, width, 1, 1}];
        ++layers[{width, size, width, 3, stride}];
        ++layers[{width, size / stride, out, 1, 1}];
      } else {
        ++layers[{channels, size, width, 3, stride}];
        ++layers[{width, size / stride, width, 3, 1}];
      }
      if (channels != out) ++layers[{channels, size, out, 1, stride}];
      channels = out;
      size /= stride;
    }
  }
  return layers;
}

struct Times {
  double median = 0, min = 0;
};

class Sum {
 public:
  explicit Sum(const Options& options)
      : options_(options), engine_(dnnl::engine::kind::cpu, 0), stream_(engine_) {}

  Times run() {
    const std::map<Layer, int> layers = resnet(options_.network, options_.size);
    share_ = options_.seconds / static_cast<double>(layers.size() * (options_.train ? 5 : 1));
    for (const auto& [layer, count] : layers) {
      count_ = count;
      if (options_.train) {
        add_training(layer);
      } else {
        add_inference(layer);
      }
    }
    return sum_;
  }

 private:
  using Algorithm = dnnl::algorithm;
  using Arguments = std::unordered_map<int, memory>;
  static constexpr auto kFloat = memory::data_type::f32;
  static constexpr auto kAny = memory::format_tag::any;

  memory::desc any(memory::dims dims) const { return {std::move(dims), kFloat, kAny}; }
  memory::desc x(const Layer& l) const { return any({options_.batch, l.channels, l.size, l.size}); }
  memory::desc w(const Layer& l) const { return any({l.out_channels, l.channels, l.kernel, l.kernel}); }
  memory::desc y(const Layer& l) const {
    return any({options_.batch, l.out_channels, l.out_size(), l.out_size()});
  }
  static memory::dims strides(const Layer& l) { return {l.stride, l.stride}; }
  static memory::dims pads(const Layer& l) { return {l.kernel / 2, l.kernel / 2}; }

  // Small whole numbers: no denormals, whatever is computed.
  memory filled(const memory::desc& desc) {
    memory made(desc, engine_);
    auto* const data = static_cast<float*>(made.get_data_handle());
    for (size_t i = 0; i < desc.get_size() / sizeof(float); ++i) data[i] = static_cast<float>(i % 7) - 3;
    return made;
  }

  // The faster of the algorithms that there are, by medians.
  template <class Describe>
  void add_best(const Describe& describe) {
    std::optional<Times> best;
    for (const Algorithm algorithm : {Algorithm::convolution_direct, Algorithm::convolution_winograd}) {
      try {
        const auto [primitive, arguments] = describe(algorithm);
        const Times found = times(primitive, arguments);
        if (!best || found.median < best->median) best = found;
      } catch (const dnnl::error& error) {
        if (error.status != dnnl_unimplemented) throw;
      }
    }
    if (!best) throw std::runtime_error("oneDNN has no convolution for a layer");
    add(*best);
  }
  void add(const Times& found) {
    sum_.median += count_ * found.median;
    sum_.min += count_ * found.min;
  }

  Times times(const dnnl::primitive& primitive, const Arguments& arguments) {
    using Clock = std::chrono::steady_clock;
    std::vector<double> runs;
    for (const auto start = Clock::now();
         runs.size() < 5 || std::chrono::duration<double>(Clock::now() - start).count() < share_;) {
      const auto begin = Clock::now();
      primitive.execute(stream_, arguments);
      stream_.wait();
      runs.push_back(std::chrono::duration<double, std::micro>(Clock::now() - begin).count());
    }
    std::sort(runs.begin(), runs.end());
    return {runs[runs.size() / 2], runs.front()};
  }

  using Forward = dnnl::convolution_forward::primitive_desc;
  Forward forward(const Layer& l, dnnl::prop_kind kind, Algorithm algorithm) {
    dnnl::primitive_attr attributes;
    if (kind == dnnl::prop_kind::forward_inference) {
      dnnl::post_ops after;
      after.append_eltwise(1, Algorithm::eltwise_relu, 0, 0);
      attributes.set_post_ops(after);
    }
    return {{kind, algorithm, x(l), w(l), any({l.out_channels}), y(l), strides(l), pads(l), pads(l)},
            attributes,
            engine_};
  }
  std::pair<dnnl::primitive, Arguments> forward_step(const Forward& d) {
    return {dnnl::convolution_forward(d),
            {{DNNL_ARG_SRC, filled(d.src_desc())},
             {DNNL_ARG_WEIGHTS, filled(d.weights_desc())},
             {DNNL_ARG_BIAS, filled(d.bias_desc())},
             {DNNL_ARG_DST, filled(d.dst_desc())}}};
  }

  void add_inference(const Layer& l) {
    add_best([&](Algorithm algorithm) {
      return forward_step(forward(l, dnnl::prop_kind::forward_inference, algorithm));
    });
  }

  // Primitive: a gradient of the convolution; `arguments` gives those of its description.
  template <class Primitive, class Of>
  void add_gradient(const Layer& l, const Of& arguments) {
    add_best([&](Algorithm algorithm) {
      const typename Primitive::primitive_desc d({algorithm, x(l), w(l), y(l), strides(l), pads(l), pads(l)},
                                                 engine_,
                                                 forward(l, dnnl::prop_kind::forward_training, algorithm));
      return std::pair<dnnl::primitive, Arguments>(Primitive(d), arguments(d));
    });
  }

  void add_training(const Layer& l) {
    memory::desc stored;
    add_best([&](Algorithm algorithm) {
      const Forward d = forward(l, dnnl::prop_kind::forward_training, algorithm);
      if (algorithm == Algorithm::convolution_direct) stored = d.dst_desc();
      return forward_step(d);
    });
    add_gradient<dnnl::convolution_backward_weights>(l, [&](const auto& d) -> Arguments {
      return {{DNNL_ARG_SRC, filled(d.src_desc())},
              {DNNL_ARG_DIFF_DST, filled(d.diff_dst_desc())},
              {DNNL_ARG_DIFF_WEIGHTS, filled(d.diff_weights_desc())}};
    });
    if (l.channels > 3) {
      add_gradient<dnnl::convolution_backward_data>(l, [&](const auto& d) -> Arguments {
        return {{DNNL_ARG_DIFF_DST, filled(d.diff_dst_desc())},
                {DNNL_ARG_WEIGHTS, filled(d.weights_desc())},
                {DNNL_ARG_DIFF_SRC, filled(d.diff_src_desc())}};
      });
    }
    add_batch_norm(l.out_channels, stored);
  }

  void add_batch_norm(int64_t channels, const memory::desc& layout) {
    using Flags = dnnl::normalization_flags;
    const Flags flags = Flags::use_scale_shift | Flags::fuse_norm_relu;
    const dnnl::batch_normalization_forward::primitive_desc forward(
        {dnnl::prop_kind::forward_training, layout, 1e-5f, flags}, engine_);
    const memory x = filled(layout), y = filled(layout), workspace(forward.workspace_desc(), engine_);
    const memory mean = filled(forward.mean_desc()), variance = filled(forward.variance_desc());
    const memory affine = filled({{2, channels}, kFloat, memory::format_tag::nc});
    add(times(dnnl::batch_normalization_forward(forward), {{DNNL_ARG_SRC, x},
                                                           {DNNL_ARG_SCALE_SHIFT, affine},
                                                           {DNNL_ARG_MEAN, mean},
                                                           {DNNL_ARG_VARIANCE, variance},
                                                           {DNNL_ARG_WORKSPACE, workspace},
                                                           {DNNL_ARG_DST, y}}));
    const dnnl::batch_normalization_backward::primitive_desc backward(
        {dnnl::prop_kind::backward, layout, layout, 1e-5f, flags}, engine_, forward);
    const memory dx = filled(layout), affine_gradient = filled(affine.get_desc());
    add(times(dnnl::batch_normalization_backward(backward), {{DNNL_ARG_SRC, x},
                                                             {DNNL_ARG_SCALE_SHIFT, affine},
                                                             {DNNL_ARG_MEAN, mean},
                                                             {DNNL_ARG_VARIANCE, variance},
                                                             {DNNL_ARG_WORKSPACE, workspace},
                                                             {DNNL_ARG_DIFF_DST, y},
                                                             {DNNL_ARG_DIFF_SRC, dx},
                                                             {DNNL_ARG_DIFF_SCALE_SHIFT, affine_gradient}}));
  }

  const Options& options_;
  dnnl::engine engine_;
  dnnl::stream stream_;
  double share_ = 0;  // seconds for a primitive
  int count_ = 1;     // of the layer
  Times sum_;
};

}  // namespace

int main(int argc, char** argv) {
  Options options;
  bool probe = false;
  CLI::App app;
  app.add_flag("--probe", probe);
  app.add_option("--network", options.network);
  app.add_option("--batch", options.batch);
  app.add_option("--size", options.size);
  app.add_option("--threads", options.threads);
  app.add_option("--seconds", options.seconds);
  app.add_flag("--train", options.train);
  CLI11_PARSE(app, argc, argv);
  try {
    if (probe) {
      const dnnl_version_t* const v = dnnl_version();
      std::printf("{\"version\": \"%d.%d.%d\"}\n", v->major, v->minor, v->patch);
      return 0;
    }
    options.network = std::filesystem::path(options.network).stem().string();
    if (options.network != "resnet18" && options.network != "resnet50") {
      throw std::runtime_error("sums only resnet18 and resnet50, not " + options.network);
    }
    omp_set_num_threads(options.threads);
    const Times found = Sum(options).run();
    std::printf("{\"median_us\": %.3f, \"min_us\": %.3f}\n", found.median, found.min);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
