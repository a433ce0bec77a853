#include <algorithm>
#include <cmath>
#include <map>

#include "api/model_impl.hpp"
#include "base/format.hpp"
#include "graph/edit.hpp"
#include "passes/pipeline.hpp"
#include "pleat/batch_norm.hpp"

namespace pleat {
namespace {

constexpr size_t kX = 0, kRunningMean = 3, kRunningVar = 4, kBatchesTracked = 5;  // BatchNorm's inputs

/// All values so far, of one pair of running statistics: those of one layer, or of several that share them.
struct Population {
  std::string layer;
  Tensor running_mean, running_var, batches_tracked;  // the model's
  std::vector<double> mean, m2;                       // m2 = sum (x - mean)^2
  double count = 0;
  int64_t batches = 0;

  void join(size_t c, double batch_mean, double batch_m2, double n) {
    const double delta = batch_mean - mean[c];
    mean[c] += delta * n / (count + n);
    m2[c] += batch_m2 + delta * delta * count * n / (count + n);
    if (!std::isfinite(mean[c]) || !std::isfinite(m2[c])) {
      fail("recalibrate: ", layer, ": the statistics of channel ", c, " are not finite, in batch ",
           batches + 1);
    }
  }
};

/// A BatchNorm in the graph that runs: with momentum 1 what it leaves in `var` is its batch's alone.
struct Source {
  Population* population;
  ValueId x;
  Tensor var;    // unbiased, after a run
  Tensor saved;  // (5, C) after a run: mean = row 0 + row 1
};

class Recalibrator {
 public:
  explicit Recalibrator(Model::Impl& model) : model_(model) {
    if (model.graph.ir().inputs.size() != 1) {
      fail("recalibrate: needs a network of one input, got ", model.graph.ir().inputs.size());
    }
    build();
    if (sources_.empty()) {
      fail("recalibrate: the network has no BatchNorm whose running statistics could be computed");
    }
  }

  void add(const Tensor& input) {
    const ValueInfo& wanted = graph_.value(graph_.inputs[0]);
    if (input.dtype() != wanted.type.dtype) {
      fail("recalibrate: input ", wanted.name, " must hold ", name_of(wanted.type.dtype), ", got ",
           name_of(input.dtype()));
    }
    prepare(input);
    const void* inputs[] = {input.raw()};
    std::vector<void*> outputs;
    for (Source& source : sources_) outputs.push_back(source.saved.raw());
    model_.arena.execute([&] { executors_.get(graph_, {&input, 1}).run(inputs, outputs); });
    for (size_t i = 0; i < sources_.size(); ++i) add(sources_[i], values_[i]);
    ++done_.batches;
    done_.items += input.shape().rank() > 0 ? input.shape()[0] : 1;
  }

  Recalibration finish() {
    if (done_.batches == 0) fail("recalibrate: there is no data");
    for (auto& [id, population] : populations_) {
      float* mean = population.running_mean.data<float>();
      float* var = population.running_var.data<float>();
      for (size_t c = 0; c < population.mean.size(); ++c) {
        mean[c] = static_cast<float>(population.mean[c]);
        var[c] = static_cast<float>(population.m2[c] / (population.count - 1));
      }
      if (population.batches_tracked.defined()) {
        *population.batches_tracked.data<int64_t>() = population.batches;
      }
    }
    return done_;
  }

 private:
  void build() {
    GraphData plain = model_.graph.ir();
    for (Node& node : plain.nodes) {
      if (auto* dropout = std::get_if<ops::Dropout>(&node.attributes)) dropout->frozen = true;
      if (auto* batch_norm = std::get_if<ops::BatchNorm>(&node.attributes)) {
        batch_norm->momentum = 1.0;
        batch_norm->virtual_batch_size = 0;
        batch_norm->single_value = SingleValue::error;
        batch_norm->renorm.reset();
      }
    }
    PassContext context{.precise = model_.options.precise};
    graph_ = training_graph(plain, context);
    graph_.outputs.clear();
    for (Node& node : graph_.nodes) {
      const auto* batch_norm = std::get_if<ops::BatchNorm>(&node.attributes);
      if (batch_norm != nullptr && batch_norm->batch_statistics && node.inputs[kRunningMean] != kAbsent) {
        watch(node);
      }
    }
    graph_.output_names.assign(graph_.outputs.size(), "");
    tidy(graph_);
    verify(graph_, "recalibrate");
    done_.layers = static_cast<int64_t>(sources_.size());
  }

  // Has the node leave its statistics in tensors of ours.
  void watch(Node& node) {
    const ValueId mean = node.inputs[kRunningMean], var = node.inputs[kRunningVar];
    const ValueId count = node.inputs[kBatchesTracked];
    Population& population = populations_[mean];
    const Shape channels = graph_.value(mean).type.shape;
    if (!population.running_mean.defined()) {
      const auto n = static_cast<size_t>(channels.numel());
      population = {node.name,
                    graph_.value(mean).data,
                    graph_.value(var).data,
                    count == kAbsent ? Tensor() : graph_.value(count).data,
                    std::vector<double>(n),
                    std::vector<double>(n)};
    }
    sources_.push_back({&population, node.inputs[kX], Tensor(channels), Tensor({5, channels[0]})});
    const auto scratch = [&](const char* suffix, Tensor data) {
      const ValueId id = add_state(graph_, concat(node.name, suffix), {DType::f32, channels}, {});
      graph_.value(id).data = std::move(data);
      return id;
    };
    node.inputs[kRunningMean] = scratch(".batch_mean", Tensor(channels));
    node.inputs[kRunningVar] = scratch(".batch_var", sources_.back().var);
    node.inputs[kBatchesTracked] = kAbsent;
    graph_.outputs.push_back(node.outputs[1]);
  }

  // How many values a channel each source has for inputs of that shape.
  void prepare(const Tensor& input) {
    if (input.shape() == shape_) return;
    GraphData sized = graph_;
    sized.value(sized.inputs[0]).type.shape = input.shape();
    infer_all(sized);
    values_.clear();
    for (const Source& source : sources_) {
      const int64_t all = sized.value(source.x).type.shape.numel();  // in either layout
      values_.push_back(static_cast<double>(all / std::max<int64_t>(1, source.var.numel())));
    }
    shape_ = input.shape();
  }

  static void add(const Source& source, double n) {
    Population& population = *source.population;
    const size_t channels = population.mean.size();
    const float* saved = source.saved.data<float>();
    const float* var = source.var.data<float>();
    for (size_t c = 0; c < channels; ++c) {
      const double mean = static_cast<double>(saved[c]) + static_cast<double>(saved[channels + c]);
      population.join(c, mean, static_cast<double>(var[c]) * (n - 1), n);
    }
    population.count += n;
    ++population.batches;
  }

  Model::Impl& model_;
  GraphData graph_;
  std::map<ValueId, Population> populations_;  // by running_mean
  std::vector<Source> sources_;
  std::vector<double> values_;
  Shape shape_;
  ExecutorCache executors_;
  Recalibration done_;
};

}  // namespace

Recalibration recalibrate(Model& model, const std::function<Tensor()>& next) {
  Recalibrator recalibrator(model.impl());
  for (Tensor input = next(); input.defined(); input = next()) recalibrator.add(input);
  return recalibrator.finish();
}

Recalibration recalibrate(Model& model, const Dataset& data, const RecalibrateOptions& options) {
  if (options.batch_size < 1) {
    fail("recalibrate: the batch size must be positive, got ", options.batch_size);
  }
  if (options.batches < 0) {
    fail("recalibrate: the number of batches must not be negative, got ", options.batches);
  }
  const std::vector<int64_t> order = shuffled(data.size(), options.seed);
  const auto n = static_cast<int64_t>(order.size());
  int64_t begin = 0, batches = 0;
  Tensor inputs, labels;
  return recalibrate(model, [&]() -> Tensor {
    if (begin == n || (options.batches > 0 && batches == options.batches)) return {};
    int64_t end = std::min(begin + options.batch_size, n);
    if (end + 1 == n) end = n;
    make_batch(data, std::span(order).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)),
               {}, options.seed, inputs, labels);
    begin = end;
    ++batches;
    return inputs;
  });
}

}  // namespace pleat
