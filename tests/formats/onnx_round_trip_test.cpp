// What is written as ONNX and read again computes the same.

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "base/format.hpp"
#include "formats/onnx/tensor.hpp"
#include "graph/edit.hpp"
#include "pleat/certify.hpp"
#include "pleat/models.hpp"
#include "pleat/onnx.hpp"
#include "support/every_isa.hpp"
#include "support/model_tools.hpp"
#include "support/op_case.hpp"
#include "support/random_tensor.hpp"
#include "support/temporary_folder.hpp"

using namespace pleat;
using namespace pleat::test;

namespace {

constexpr double kModelTolerance = 5e-6;  // sums may be fused and ordered differently

/// Each initializer of the file is read by a node.
void check_initializers(const std::filesystem::path& file) {
  onnx::ModelProto model;
  REQUIRE(model.ParseFromString(read_bytes(file)));
  std::set<std::string> read;
  for (const auto& node : model.graph().node()) read.insert(node.input().begin(), node.input().end());
  for (const auto& tensor : model.graph().initializer()) {
    CHECK_MESSAGE(read.count(tensor.name()) == 1, tensor.name(), " is not read");
  }
}

Graph round_trip(const Graph& graph, int opset) {
  const TemporaryFolder folder;
  write_onnx(folder / "model.onnx", graph, {.opset = opset});
  check_initializers(folder / "model.onnx");
  return read_onnx(folder / "model.onnx");
}

/// The case's op in inference: its first input is the graph's, the others are constants.
Graph graph_of(const OpCase& op_case, const std::vector<Tensor>& inputs) {
  Graph graph;
  std::vector<ValueId> ids;
  for (size_t i = 0; i < inputs.size(); ++i) {
    const std::string name = concat("input", i);
    if (!inputs[i].defined()) {
      ids.push_back(kAbsent);
    } else if (i == 0 && op_case.inputs[i].values.empty()) {
      ids.push_back(graph.input(name, inputs[i].shape(), inputs[i].dtype()).id);
    } else {
      ids.push_back(add_constant(graph.ir(), name, inputs[i]));
    }
  }
  ops::Attributes attributes = op_case.attributes;
  if (auto* batch_norm = std::get_if<ops::BatchNorm>(&attributes)) {
    batch_norm->batch_statistics = !inputs[3].defined();
  }
  const std::vector<ValueId> made = add_node(graph.ir(), "op", attributes, ids);
  for (int i = 0; i < op_case.outputs_checked; ++i) {
    graph.output(concat("y", i), {made[static_cast<size_t>(i)]});
  }
  return graph;
}

std::vector<Tensor> run(const Graph& graph, const std::vector<Tensor>& inputs) {
  Model model(graph);
  const std::vector<Tensor> given(inputs.begin(), inputs.begin() + std::ssize(graph.inputs()));
  return model.eval().set_fold(false).run(given);
}

/// Gives weights of the size that keeps activations at theirs, and running statistics near 0 and 1.
void settle(Model& model) {
  uint64_t seed = 1;
  for (auto& [name, tensor] : model.state_dict()) {
    const Shape& shape = tensor.shape();
    if (tensor.dtype() != DType::f32) continue;
    double low = -0.1, high = 0.1;
    if (shape.rank() > 1) {
      high = std::sqrt(6.0 / static_cast<double>(shape.product(1, shape.rank())));
      low = -high;
    } else if (name.ends_with("running_var") || name.ends_with("weight")) {
      low = 0.5;
      high = 1.5;
    }
    const Tensor drawn = random_tensor(shape, ++seed, low, high);
    std::memcpy(Tensor(tensor).raw(), drawn.raw(), drawn.bytes());
  }
}

}  // namespace

TEST_CASE("onnx: every op with an ONNX form comes back") {
  std::set<std::string_view> refused;
  for (const OpCase& op_case : op_cases()) {
    const std::vector<Tensor> inputs = draw_inputs(op_case, seed());
    const Graph graph = graph_of(op_case, inputs);
    const std::vector<Tensor> expected = run(graph, inputs);
    for (const int opset : {13, 17}) {
      INFO(op_case.name, ", opset ", opset, ", PLEAT_TEST_SEED=", seed());
      const TemporaryFolder folder;
      try {
        write_onnx(folder / "op.onnx", graph, {.opset = opset});
      } catch (const Error& error) {
        const std::string_view text = error.what();
        if (text.find("has no ONNX form") == text.npos && text.find(" opset ") == text.npos) throw;
        const auto* batch_norm = std::get_if<ops::BatchNorm>(&op_case.attributes);
        const bool channels_last = batch_norm != nullptr && batch_norm->channels_last;
        refused.insert(channels_last ? "batch_norm, channels last" : definition(op_case.attributes).name);
        continue;
      }
      check_initializers(folder / "op.onnx");
      const std::vector<Tensor> got = run(read_onnx(folder / "op.onnx"), inputs);
      for (size_t i = 0; i < expected.size(); ++i) {
        REQUIRE(got[i].shape() == expected[i].shape());
        REQUIRE(got[i].dtype() == expected[i].dtype());
        const Tensor a = got[i].to(DType::f64), b = expected[i].to(DType::f64);
        CHECK(max_error(a.span<double>(), b.span<double>()) <= op_case.tolerance);
      }
    }
  }
  CHECK(refused == std::set<std::string_view>{
                       "avg_pool", "avg_pool_channels_last", "batch_norm, channels last",
                       "batch_norm_recompute", "concat_scale_shift_channels_last", "conv_channels_last",
                       "cross_entropy", "expand_depthwise_channels_last", "gather_channels",
                       "global_avg_pool_channels_last", "max_pool_channels_last", "mean_squared_error", "pad",
                       "resize", "sum_to"});
}

TEST_CASE("onnx: every built-in model comes back, folded and not, with its weights' names") {
  for (const std::string& name : models::names()) {
    INFO(name);
    Model model(models::build(name));
    settle(model);
    Shape shape = model.graph().shape(model.graph().inputs()[0]);
    for (int i = 0; i < shape.rank(); ++i) {
      if (shape[i] == kDynamic) shape[i] = i == 0 ? 2 : 32;
    }
    const Tensor x = random_tensor(shape, 9);
    const Tensor expected = model.eval()(x);

    Model back(round_trip(model.graph(), 17));
    CHECK(relative_error(back.eval()(x), expected) <= kModelTolerance);
    CHECK(back.fold_report().folded() == model.fold_report().folded());
    const StateDict state = back.state_dict();
    for (const auto& [key, tensor] : model.state_dict()) {
      if (key.ends_with("num_batches_tracked")) continue;
      const Tensor* same = find(state, key);
      REQUIRE_MESSAGE(same != nullptr, key);
      CHECK(std::memcmp(same->raw(), std::as_const(tensor).raw(), tensor.bytes()) == 0);
    }
    Model folded(round_trip(fold(model.graph()), 13));
    CHECK(relative_error(folded.eval()(x), expected) <= kModelTolerance);
  }
}
