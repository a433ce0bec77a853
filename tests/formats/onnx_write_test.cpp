#include <doctest/doctest.h>

#include <algorithm>
#include <fstream>

#include "base/format.hpp"
#include "formats/onnx/tensor.hpp"
#include "graph/edit.hpp"
#include "pleat/certify.hpp"
#include "pleat/models.hpp"
#include "pleat/onnx.hpp"
#include "support/model_tools.hpp"
#include "support/op_case.hpp"
#include "support/temporary_folder.hpp"

using namespace pleat;
using namespace pleat::test;

namespace {

onnx::ModelProto written(const Graph& graph, const OnnxOptions& options = {}) {
  const TemporaryFolder folder;
  write_onnx(folder / "model.onnx", graph, options);
  onnx::ModelProto model;
  REQUIRE(model.ParseFromString(read_bytes(folder / "model.onnx")));
  return model;
}

/// "Gemm BatchNormalization Relu"
std::string operators(const onnx::ModelProto& model) {
  std::string text;
  for (const auto& node : model.graph().node()) text += (text.empty() ? "" : " ") + node.op_type();
  return text;
}

const onnx::AttributeProto& attribute(const onnx::NodeProto& node, std::string_view name) {
  const auto& all = node.attribute();
  const auto it = std::find_if(all.begin(), all.end(), [&](const auto& a) { return a.name() == name; });
  REQUIRE(it != all.end());
  return *it;
}

Tensor initializer(const onnx::ModelProto& model, std::string_view name) {
  const auto& all = model.graph().initializer();
  const auto it = std::find_if(all.begin(), all.end(), [&](const auto& t) { return t.name() == name; });
  REQUIRE_MESSAGE(it != all.end(), name);
  formats::ExternalData none({});
  return formats::tensor_from_onnx(*it, none, std::string(name));
}

/// One op on inputs of those shapes; y is its first output.
Graph graph_of(const ops::Attributes& attributes, const std::vector<Shape>& shapes) {
  Graph graph;
  std::vector<ValueId> ids;
  for (size_t i = 0; i < shapes.size(); ++i) ids.push_back(graph.input(concat("x", i), shapes[i]).id);
  graph.output("y", {add_node(graph.ir(), "op", attributes, ids)[0]});
  return graph;
}

std::string fault(const Graph& graph, const OnnxOptions& options = {}) {
  try {
    written(graph, options);
    return {};
  } catch (const Error& error) {
    const std::string text = error.what(), mark = "cannot write: ";
    return text.substr(text.find(mark) + mark.size());
  }
}

}  // namespace

TEST_CASE("onnx: the tutorial's network under its own names") {
  Model model(models::net());
  randomize(model, 3);
  const onnx::ModelProto onnx = written(model.graph());
  CHECK(onnx.ir_version() == 8);
  REQUIRE(onnx.opset_import_size() == 1);
  CHECK(onnx.opset_import(0).domain() == "");
  CHECK(onnx.opset_import(0).version() == 17);
  CHECK(operators(onnx) == "Gemm BatchNormalization Relu Gemm");

  const onnx::GraphProto& graph = onnx.graph();
  REQUIRE(graph.input_size() == 1);
  CHECK(graph.input(0).name() == "x");
  const auto& shape = graph.input(0).type().tensor_type().shape();
  REQUIRE(shape.dim_size() == 2);
  CHECK(shape.dim(0).dim_param() == "x_dim_0");
  CHECK(shape.dim(1).dim_value() == 10);
  REQUIRE(graph.output_size() == 1);
  CHECK(graph.node(3).output(0) == graph.output(0).name());

  const onnx::NodeProto& batch_norm = graph.node(1);
  CHECK(attribute(batch_norm, "epsilon").f() == 1e-5f);
  CHECK(attribute(batch_norm, "momentum").f() == 0.9f);  // of the old value
  CHECK(batch_norm.input(3) == "bn1.running_mean");
  CHECK(attribute(graph.node(0), "transB").i() == 1);
  for (const auto& [name, tensor] : model.state_dict()) {
    if (name.ends_with("num_batches_tracked")) continue;
    CHECK(relative_error(initializer(onnx, name), tensor) == 0);
  }
}

TEST_CASE("onnx: the inference form is folded") {
  Model model(models::net());
  CHECK(operators(written(model.graph())) == "Gemm BatchNormalization Relu Gemm");
  CHECK(operators(written(fold(model.graph()))) == "Gemm Relu Gemm");
}

TEST_CASE("onnx: an affine along another dimension than channels is spelled out") {
  Graph graph = graph_of(ops::Flatten{}, {{2, 3, 4}});
  const auto vector = [&](const char* name, int64_t n) {
    return add_constant(graph.ir(), name, Tensor({n}));
  };
  const ValueId x = graph.ir().inputs[0];
  const auto shifted = [&](int64_t dim, int64_t n) {
    Graph made = graph;
    graph.ir().outputs[0] = add_node(graph.ir(), "affine", ops::ScaleShift{.dim = dim},
                                     {x, vector("c", n), vector("s", n), vector("t", n), kAbsent})[0];
    std::swap(made, graph);
    return operators(written(made));
  };
  CHECK(shifted(1, 3) == "BatchNormalization");
  CHECK(shifted(2, 4) == "Sub Mul Add");
  CHECK(shifted(0, 2) == "Unsqueeze Sub Unsqueeze Unsqueeze Mul Add");
}

TEST_CASE("onnx: what a padding value of a convolution is written as") {
  // x: 1, 2 with 10 around it; weight 1, 1, 1; bias 5: 10 + 1 + 2 + 5, 1 + 2 + 10 + 5.
  Graph graph;
  GraphData& data = graph.ir();
  const ValueId x = graph.input("x", {1, 1, 2}).id;
  const ValueId weight = add_constant(data, "w", Tensor::from<float>({1, 1, 3}, {1, 1, 1}));
  const ValueId bias = add_constant(data, "b", Tensor::from<float>({1}, {5}));
  const ValueId pad = add_constant(data, "p", Tensor::from<float>({1}, {10}));
  const ops::Window window{.kernel = {1, 3}, .pad_begin = {0, 1}, .pad_end = {0, 1}};
  graph.output("y", {add_node(data, "conv", ops::Conv{.window = window, .groups = 1, .epilogue = {}},
                              {x, weight, bias, kAbsent, pad})[0]});
  const onnx::ModelProto onnx = written(graph);
  REQUIRE(operators(onnx) == "Sub Conv");
  const onnx::NodeProto& conv = onnx.graph().node(1);
  CHECK(initializer(onnx, onnx.graph().node(0).input(1)).data<float>()[0] == 10);
  // Of x - p = -9, -8 with zeros: 5 + 30 - 17 = 18.
  CHECK(initializer(onnx, conv.input(2)).data<float>()[0] == 35);
}

TEST_CASE("onnx: operators that an old operator set lacks are decomposed") {
  const ops::Activate hardswish{.activation = Activation::hardswish};
  CHECK(operators(written(graph_of(hardswish, {{3}}))) == "HardSwish");
  const onnx::ModelProto old = written(graph_of(hardswish, {{3}}), {.opset = 13});
  CHECK(operators(old) == "HardSigmoid Mul");
  CHECK(old.ir_version() == 7);
  CHECK(operators(written(graph_of(ops::ShapeOf{1, 2}, {{3, 4}}))) == "Shape");
  CHECK(operators(written(graph_of(ops::ShapeOf{1, 2}, {{3, 4}}), {.opset = 13})) == "Shape Slice");
}

TEST_CASE("onnx: inputs and constants that are outputs, one value under two names") {
  Graph graph;
  const Value x = graph.input("x", {2});
  const Value y = graph.add("relu", ReLU{}, {x});
  graph.output("x", x);
  graph.output("copy", x);
  graph.output("y", y);
  graph.output("z", y);
  graph.output("c", {add_constant(graph.ir(), "constant", Tensor({1}))});
  const onnx::ModelProto onnx = written(graph);
  CHECK(operators(onnx) == "Relu Identity Identity Identity");
  const auto& nodes = onnx.graph().node();
  CHECK((nodes[0].output(0) == "y" && nodes[1].output(0) == "copy" && nodes[2].output(0) == "z" &&
         nodes[3].output(0) == "c"));
  CHECK((nodes[1].input(0) == "x" && nodes[2].input(0) == "y" && nodes[3].input(0) == "constant"));
}

TEST_CASE("onnx: what cannot be written is refused") {
  const Graph loss = graph_of(ops::MeanSquaredError{}, {{2, 3}, {2, 3}});
  CHECK(fault(loss) ==
        "op (mean_squared_error): has no ONNX form: it belongs to training, or to how networks run");
  CHECK(fault(models::net()) == "fc1 (linear): needs 'fc1.weight', which has no data yet");
  Graph twice = graph_of(ops::Add{}, {{2}, {2}});
  twice.output("y", {twice.ir().inputs[0]});
  CHECK(fault(twice) == "the name of output 'y' is another output's or an input's");
  CHECK(fault(graph_of(ops::Add{}, {{2}, {2}}), {.opset = 18}) == "opset 18 is not 13 to 17");
}

TEST_CASE("onnx: weights in a file of their own") {
  const TemporaryFolder folder;
  Model model(models::small_cnn(1, 10));
  write_onnx(folder / "m.onnx", model.graph(), {.external_data = true});
  onnx::ModelProto onnx;
  REQUIRE(onnx.ParseFromString(read_bytes(folder / "m.onnx")));
  const StateDict state = model.state_dict();
  formats::ExternalData external(folder.path());
  int outside = 0;
  for (const auto& tensor : onnx.graph().initializer()) {
    if (tensor.data_location() != onnx::TensorProto::EXTERNAL) continue;
    ++outside;
    const Tensor* expected = find(state, tensor.name());
    REQUIRE(expected != nullptr);
    CHECK(relative_error(formats::tensor_from_onnx(tensor, external, tensor.name()), *expected) == 0);
  }
  CHECK(outside > 0);
}

TEST_CASE("onnx: a failed write leaves the old file") {
  const TemporaryFolder folder;
  const std::filesystem::path file = write_bytes(folder / "model.onnx", "old");
  CHECK_THROWS_AS(write_onnx(file, models::net()), Error);  // no weights yet
  CHECK_THROWS_AS(write_onnx(folder / "nowhere" / "model.onnx", Model(models::net()).graph()), Error);
  CHECK(read_bytes(file) == "old");
  CHECK(std::distance(std::filesystem::directory_iterator(folder.path()), {}) == 1);
}
