#pragma once

#include <string>

#include "graph/edit.hpp"
#include "passes/pipeline.hpp"
#include "passes/to_double.hpp"
#include "support/model_tools.hpp"
#include "support/run_graph.hpp"

namespace pleat::test {

/// What a folded graph is before a layout is chosen, and how far the graph that runs is from a double run of
/// the graph as built.
struct FoldOutcome {
  FoldReport report = {};
  GraphData graph = {};
  double error = 0;

  const FoldEntry& entry(const std::string& layer) const {
    for (const FoldEntry& e : report.entries) {
      if (e.layer == layer) return e;
    }
    throw Error("no entry of " + layer);
  }
};

/// A graph under construction, with random constants.
struct FoldNet {
  GraphData graph = {};
  uint64_t seed = 1;

  ValueId input(const Shape& shape, const char* name = "x") {
    return add_input(graph, name, {DType::f32, shape});
  }
  ValueId constant(const Tensor& data) { return add_constant(graph, "c", data); }
  ValueId random(const Shape& shape, double low = -1, double high = 1) {
    return constant(random_tensor(shape, ++seed, low, high));
  }
  ValueId scalar(float value) { return constant(Tensor::from<float>(Shape{}, {value})); }
  ValueId integers(const std::vector<int64_t>& values) {
    return constant(Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values));
  }
  ValueId node(const std::string& name, const ops::Attributes& op, const std::vector<ValueId>& inputs) {
    return add_node(graph, name, op, inputs)[0];
  }
  ValueId binary(const std::string& name, ops::BinaryKind kind, ValueId a, ValueId b) {
    return node(name, ops::Binary{kind}, {a, b});
  }
  ValueId relu(const std::string& name, ValueId x) { return node(name, ops::Activate{}, {x}); }
  void output(ValueId value) {
    graph.outputs.push_back(value);
    graph.output_names.push_back("y" + std::to_string(graph.outputs.size()));
  }

  static ops::Window window(int rank, int64_t kernel, int64_t pad = 0, int64_t stride = 1) {
    ops::Window w;
    for (size_t d = rank == 3 ? 1 : 0; d < 2; ++d) {
      w.kernel[d] = kernel;
      w.pad_begin[d] = w.pad_end[d] = pad;
      w.stride[d] = stride;
    }
    return w;
  }
  int rank(ValueId value) const { return graph.value(value).type.shape.rank(); }
  int spatial_dims(ValueId value) const { return std::max(1, rank(value) - 2); }
  int64_t channels(ValueId value) const { return graph.value(value).type.shape[1]; }

  ValueId conv(const std::string& name, ValueId x, int64_t out, int64_t kernel, int64_t pad = 0,
               int64_t groups = 1, bool bias = true) {
    Shape weight{out, channels(x) / groups};
    for (int d = 2; d < rank(x); ++d) weight.push_back(kernel);
    return node(name, ops::Conv{window(rank(x), kernel, pad), groups, {}},
                {x, random(weight), bias ? random({out}) : kAbsent});
  }
  ValueId linear(const std::string& name, ValueId x, int64_t out) {
    const Shape& shape = graph.value(x).type.shape;
    return node(name, ops::Linear{}, {x, random({out, shape[shape.rank() - 1]}), random({out})});
  }
  /// With running statistics of the usual sizes.
  ValueId batch_norm(const std::string& name, ValueId x) {
    const Shape c{channels(x)};
    return node(name, ops::BatchNorm{.spatial_dims = spatial_dims(x)},
                {x, random(c, 0.5, 2), random(c), random(c), random(c, 0.5, 2), kAbsent, kAbsent});
  }
  /// The same with all of these given.
  ValueId batch_norm(const std::string& name, ValueId x, const Tensor& gamma, const Tensor& mean,
                     const Tensor& var, double eps = 1e-5) {
    return node(name, ops::BatchNorm{.spatial_dims = spatial_dims(x), .eps = eps},
                {x, constant(gamma), random({channels(x)}), constant(mean), constant(var), kAbsent, kAbsent});
  }

  /// Folds and runs on random inputs in [-1, 1), whose dynamic dimensions are 2.
  FoldOutcome fold(PassContext context = {}) {
    std::vector<Tensor> inputs;
    for (ValueId id : graph.inputs) {
      Shape shape = graph.value(id).type.shape;
      for (int d = 0; d < shape.rank(); ++d) {
        if (shape[d] == kDynamic) shape[d] = 2;
      }
      inputs.push_back(random_tensor(shape, ++seed));
    }
    PassContext plain, first = context;
    FoldOutcome outcome;
    first.disabled.push_back("choose_layout");
    outcome.graph = inference_graph(graph, true, first);
    const std::vector<Tensor> got = run_graph(inference_graph(graph, true, context), inputs);
    outcome.report = context.report;
    const std::vector<Tensor> expected = run_graph(to_double(inference_graph(graph, false, plain)), inputs);
    for (size_t i = 0; i < got.size(); ++i)
      outcome.error = std::max(outcome.error, relative_error(got[i], expected[i]));
    return outcome;
  }
};

}  // namespace pleat::test
