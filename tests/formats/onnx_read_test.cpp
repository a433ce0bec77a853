#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <numeric>

#include "graph/graph_data.hpp"
#include "pleat/certify.hpp"
#include "pleat/model.hpp"
#include "support/damage.hpp"
#include "support/onnx_model.hpp"

using namespace pleat;
using namespace pleat::test;

namespace {

Tensor vector(const std::vector<float>& values) {
  return Tensor::from<float>({static_cast<int64_t>(values.size())}, values);
}
Tensor whole(const std::vector<int64_t>& values) {
  return Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values);
}
Tensor truth(bool value) {
  Tensor tensor({}, DType::boolean);
  *tensor.data<bool>() = value;
  return tensor;
}

std::vector<float> elements(const Tensor& tensor) {
  return {tensor.data<float>(), tensor.data<float>() + tensor.numel()};
}

/// The only output, in inference.
Tensor result(const Graph& graph, const std::vector<Tensor>& inputs) {
  Model model(graph);
  return model.eval().run(inputs)[0];
}

/// x (N, 2, 2, 2) -> Conv 1x1 -> BatchNormalization -> y
OnnxModel conv_and_batch_norm() {
  OnnxModel model;
  model.input("x", {kDynamic, 2, 2, 2})
      .initializer("conv.weight", Tensor::from<float>({2, 2, 1, 1}, {1, 0, 0, 2}))
      .initializer("bn.weight", vector({2, 3}))
      .initializer("bn.bias", vector({1, -1}))
      .initializer("bn.running_mean", vector({0.5f, 1}))
      .initializer("bn.running_var", vector({4, 0.25f}))
      .node(OnnxNode("Conv", {"x", "conv.weight"}, {"c"}, "conv"))
      .node(OnnxNode("BatchNormalization", {"c", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"},
                     {"y"}, "bn")
                .set("epsilon", 0.f))
      .output("y");
  return model;
}

/// x (N, 33) -> Linear 33 -> 40, a weight of some size -> y
OnnxModel large_linear() {
  Tensor weight({40, 33});
  std::iota(weight.span<float>().begin(), weight.span<float>().end(), 0.0f);
  OnnxModel model;
  model.input("x", {kDynamic, 33})
      .initializer("w", weight)
      .initializer("b", Tensor({40}))
      .node(OnnxNode("Gemm", {"x", "w", "b"}, {"y"}, "fc").set("transB", 1))
      .output("y");
  return model;
}

bool contains(const std::string& text, const std::string& part) {
  const bool found = text.find(part) != std::string::npos;
  if (!found) MESSAGE("'" << text << "' lacks '" << part << "'");
  return found;
}

}  // namespace

TEST_CASE("onnx: weights are parameters and statistics states under their names, shared with nothing") {
  const Graph graph = conv_and_batch_norm().read();
  CHECK(graph.shape(graph.inputs()[0]) == Shape{kDynamic, 2, 2, 2});
  CHECK(graph.name(graph.outputs()[0]) == "y");
  Model model(graph);
  std::vector<std::string> names;
  for (const auto& [name, tensor] : model.state_dict()) names.push_back(name);
  std::sort(names.begin(), names.end());
  CHECK(names ==
        std::vector<std::string>{"bn.bias", "bn.running_mean", "bn.running_var", "bn.weight", "conv.weight"});
  const Tensor x = Tensor::from<float>({1, 2, 2, 2}, {0.5f, 2.5f, 1, 0, 0, 1, 2, 3});
  const Tensor y = model.eval()(x);
  // channel 0: (x - 0.5) / 2 * 2 + 1; channel 1: (2x - 1) / 0.5 * 3 - 1
  CHECK(elements(y) == std::vector<float>{1, 3, 1.5f, 0.5f, -7, 5, 17, 29});
  CHECK(model.fold_report().folded() == 1);
}

TEST_CASE("onnx: an imported batch normalization trains: its momentum is one minus ONNX's") {
  OnnxModel model;
  model.input("x", {kDynamic, 1})
      .initializer("scale", vector({1}))
      .initializer("shift", vector({0}))
      .initializer("mean", vector({10}))
      .initializer("var", vector({1}))
      .node(OnnxNode("BatchNormalization", {"x", "scale", "shift", "mean", "var"}, {"y"})
                .set("momentum", 0.75f))
      .output("y");
  Model trained(model.read());
  trained.run({Tensor::from<float>({2, 1}, {0, 4})});
  CHECK(trained.parameter("mean").data<float>()[0] == doctest::Approx(0.75 * 10 + 0.25 * 2));
}

TEST_CASE("onnx: an initializer that stands as an input too is none") {
  OnnxModel model = conv_and_batch_norm();
  model.message.set_ir_version(3);
  for (const char* name : {"bn.weight", "bn.bias", "bn.running_mean", "bn.running_var"})
    model.input(name, {2});
  CHECK(model.read().inputs().size() == 1);
}

TEST_CASE("onnx: what several nodes share is one parameter, but for a state that training would move") {
  OnnxModel model;
  model.input("x", {kDynamic, 2})
      .initializer("w", Tensor::from<float>({2, 2}, {1, 2, 3, 4}))
      .initializer("ones", vector({1, 1}))
      .initializer("zeros", vector({0, 0}))
      .node(OnnxNode("MatMul", {"x", "w"}, {"a"}))
      .node(OnnxNode("MatMul", {"a", "w"}, {"b"}))
      .node(OnnxNode("BatchNormalization", {"b", "ones", "zeros", "zeros", "ones"}, {"c"}))
      .node(OnnxNode("BatchNormalization", {"c", "ones", "zeros", "zeros", "ones"}, {"y"}))
      .output("y");
  Model trained(model.read());
  int weights = 0;
  for (const auto& [name, tensor] : trained.state_dict()) weights += tensor.shape() == Shape{2, 2};
  CHECK(weights == 1);
  trained.run({Tensor::from<float>({2, 2}, {5, 6, 7, 9})});
  CHECK(elements(trained.parameter("ones")) == std::vector<float>{1, 1});
  CHECK(elements(trained.parameter("zeros")) == std::vector<float>{0, 0});
  int moved = 0;
  for (const auto& [name, tensor] : trained.state_dict()) {
    const float first = elements(tensor)[0];
    moved += tensor.shape() == Shape{2} && first != 0 && first != 1;
  }
  CHECK(moved >= 3);  // the second mean stays: its input's mean is 0
}

TEST_CASE("onnx: an output may be an input, an initializer, what Identity makes of them, or a view") {
  OnnxModel model;
  model.input("x", {kDynamic, 2})
      .initializer("w", vector({3, 4}))
      .node(OnnxNode("Identity", {"w"}, {"same"}))
      .node(OnnxNode("Relu", {"x"}, {"y"}))
      .node(OnnxNode("Flatten", {"y"}, {"flat"}).set("axis", 2));
  for (const char* name : {"x", "w", "same", "y", "flat"}) model.output(name);
  Model read(model.read());
  const std::vector<Tensor> out = read.eval().run({Tensor::from<float>({1, 2}, {-1, 2})});
  CHECK(elements(out[0]) == std::vector<float>{-1, 2});
  CHECK(elements(out[1]) == std::vector<float>{3, 4});
  CHECK(elements(out[2]) == std::vector<float>{3, 4});
  CHECK(elements(out[3]) == std::vector<float>{0, 2});
  CHECK(elements(out[4]) == std::vector<float>{0, 2});
  CHECK(out[4].shape() == Shape{2, 1});
  CHECK(read.graph().ir().output_names[2] == "same");
}

TEST_CASE("onnx: shapes are computed from a batch that is open") {
  OnnxModel model;
  model.input("x", {kDynamic, 2, 3})
      .initializer("zero", Tensor::from<int64_t>({}, {0}))
      .initializer("rest", whole({-1}))
      .initializer("axis", whole({0}))
      .node(OnnxNode("Shape", {"x"}, {"shape"}))
      .node(OnnxNode("Gather", {"shape", "zero"}, {"batch"}))
      .node(OnnxNode("Unsqueeze", {"batch", "axis"}, {"batch1"}))
      .node(OnnxNode("Concat", {"batch1", "rest"}, {"wanted"}).set("axis", 0))
      .node(OnnxNode("Reshape", {"x", "wanted"}, {"y"}))
      .output("y");
  const Graph graph = model.read();
  CHECK(graph.shape(graph.outputs()[0]).rank() == 2);
  for (const int64_t batch : {1, 4}) CHECK(result(graph, {Tensor({batch, 2, 3})}).shape() == Shape{batch, 6});
}

TEST_CASE("onnx: a constant condition chooses a branch, which sees the names around it") {
  const auto branch = [](const char* op) {
    OnnxModel inner;
    inner.initializer("two", vector({2})).node(OnnxNode(op, {"x", "two"}, {"made"})).output("made");
    return inner.graph();
  };
  for (const bool condition : {true, false}) {
    OnnxModel model;
    model.input("x", {1}).initializer("condition", truth(condition));
    // Twice, as branches of several nodes may use the same names.
    for (const char* output : {"a", "b"}) {
      model.node(OnnxNode("If", {"condition"}, {output})
                     .set("then_branch", branch("Mul"))
                     .set("else_branch", branch("Add")));
    }
    model.node(OnnxNode("Sub", {"a", "x"}, {"y"})).node(OnnxNode("Add", {"y", "b"}, {"z"})).output("z");
    // 2 * (5 * 2) - 5 or 2 * (5 + 2) - 5
    CHECK(elements(result(model.read(), {vector({5})})) == std::vector<float>{condition ? 15.f : 9.f});
  }
  OnnxModel open;
  open.input("x", {1}).input("condition", {}, DType::boolean);
  open.node(OnnxNode("If", {"condition"}, {"y"})
                .set("then_branch", branch("Mul"))
                .set("else_branch", branch("Add")))
      .output("y");
  CHECK(contains(open.fault(), "the condition must be a constant"));
}

TEST_CASE("onnx: data may lie in a file beside the model, and nowhere else") {
  const TemporaryFolder folder;
  const std::vector<float> values = {7, 8, 9};
  write_bytes(folder / "weights.bin",
              std::string("....") + std::string(reinterpret_cast<const char*>(values.data()), 12));
  OnnxModel model;
  model.input("x", {3}).node(OnnxNode("Add", {"x", "w"}, {"y"})).output("y");
  onnx::TensorProto& weight = *model.graph().add_initializer();
  weight.set_name("w");
  weight.set_data_type(onnx::TensorProto::FLOAT);
  weight.add_dims(3);
  weight.set_data_location(onnx::TensorProto::EXTERNAL);
  const auto entry = [&](const char* key, const char* value) {
    auto& made = *weight.add_external_data();
    made.set_key(key);
    made.set_value(value);
  };
  const auto read = [&] {
    return read_onnx(write_bytes(folder / "m.onnx", model.message.SerializeAsString()));
  };
  entry("location", "weights.bin");
  entry("offset", "4");
  CHECK(elements(result(read(), {vector({1, 1, 1})})) == std::vector<float>{8, 9, 10});
  weight.mutable_external_data(1)->set_value("8");
  CHECK_THROWS_AS(read(), Error);
  weight.mutable_external_data(0)->set_value("../weights.bin");
  CHECK_THROWS_AS(read(), Error);
  weight.mutable_external_data(0)->set_value("absent.bin");
  CHECK_THROWS_AS(read(), Error);
}

TEST_CASE("onnx: a large weight is that of the file as it was read, whatever becomes of it") {
  const TemporaryFolder folder;
  const auto file = write_bytes(folder / "m.onnx", large_linear().message.SerializeAsString());
  const Graph graph = read_onnx(file);
  std::filesystem::remove(file);
  write_bytes(file, "something else");
  Tensor x({1, 33});
  x.span<float>()[1] = 1;
  std::vector<float> column;
  for (int row = 0; row < 40; ++row) column.push_back(static_cast<float>(33 * row + 1));
  CHECK(elements(result(graph, {x})) == column);
}

TEST_CASE("onnx: of data that are given twice the last count; external data count before all") {
  const auto with_more = [&](const onnx::TensorProto& more) {
    // A message's fields may come in pieces, which protobuf merges: here the weight's again at its end.
    OnnxModel changed = large_linear();
    std::string tensor = changed.graph().initializer(0).SerializeAsString() + more.SerializeAsString();
    changed.graph().mutable_initializer()->DeleteSubrange(0, 1);
    const std::string head = {'\x2a', static_cast<char>(tensor.size() % 128 + 128),
                              static_cast<char>(tensor.size() / 128)};
    const std::string graph = head + tensor + changed.graph().SerializeAsString();
    changed.message.clear_graph();
    const std::string graph_head = {'\x3a', static_cast<char>(graph.size() % 128 + 128),
                                    static_cast<char>(graph.size() / 128)};
    return changed.message.SerializeAsString() + graph_head + graph;
  };
  const TemporaryFolder folder;
  const auto read = [&](const std::string& bytes) {
    return read_onnx(write_bytes(folder / "m.onnx", bytes));
  };
  Tensor x({1, 33});
  x.span<float>()[0] = 1;

  onnx::TensorProto zeros;
  zeros.set_raw_data(std::string(40 * 33 * 4, '\0'));
  CHECK(elements(result(read(with_more(zeros)), {x})) == std::vector<float>(40, 0.0f));
  onnx::TensorProto nothing;
  nothing.set_raw_data("1234");
  CHECK_THROWS_AS(read(with_more(nothing)), Error);
  onnx::TensorProto elsewhere;
  elsewhere.set_data_location(onnx::TensorProto::EXTERNAL);
  CHECK_THROWS_AS(read(with_more(elsewhere)), Error);
  CHECK(elements(result(read(with_more({})), {x}))[1] == 33);
}

TEST_CASE("onnx: a fault is named with its file, node, operator and operator set") {
  const auto fault = [](const OnnxNode& node, int opset = 11) {
    OnnxModel model(opset);
    model.input("x", {1, 2, 4, 4}).input("i", {3}, DType::i64);
    model.initializer("w", Tensor({2, 2, 3, 3})).initializer("half", Tensor::from<double>({}, {0.5}));
    model.node(node).output("y");
    return model.fault();
  };
  CHECK(contains(fault(OnnxNode("Conv", {"x", "w"}, {"y"}, "Conv_3").set("auto_pad", "FOO")),
                 "model.onnx: node 'Conv_3' (Conv, opset 11): attribute auto_pad 'FOO' is not known"));
  CHECK(contains(fault(OnnxNode("Conv", {"x", "w"}, {"y"}).set("paddings", 1)),
                 "node that makes 'y' (Conv, opset 11): attribute paddings is not known"));
  CHECK(contains(fault(OnnxNode("Conv", {"x", "w"}, {"y"}).set("group", "2")),
                 "must be of type INT, not STRING"));
  CHECK(contains(fault(OnnxNode("Conv", {"x", "w"}, {"y"}).set("group", 1).set("group", 1)), "stands twice"));
  CHECK(contains(fault(OnnxNode("Conv", {"x", "w"}, {"y"}).set("group", 3)), "needs an input of 6 channels"));
  CHECK(contains(fault(OnnxNode("Conv", {"x"}, {"y"})), "its weight is missing"));
  CHECK(contains(fault(OnnxNode("Conv", {"x", "w"}, {"y"}).set("strides", std::vector<int64_t>{1})),
                 "strides has 1"));
  CHECK(
      contains(fault(OnnxNode("Conv", {"x", "w"}, {"y"}).set("strides", std::vector<int64_t>{1, 1ll << 60})),
               "strides cannot hold"));
  CHECK(contains(fault(OnnxNode("Conv", {"i", "w"}, {"y"})), "must hold FLOAT, not i64"));
  CHECK(contains(fault(OnnxNode("Relu", {"i"}, {"y"})), "must hold FLOAT, not i64"));
  CHECK(contains(fault(OnnxNode("Relu", {"later"}, {"y"})), "'later' is no input or initializer"));
  CHECK(contains(fault(OnnxNode("Relu", {"y"}, {"y"})), "'y' is no input or initializer"));
  CHECK(contains(fault(OnnxNode("Relu", {"x"}, {"x"})), "'x' is given twice"));
  CHECK(contains(fault(OnnxNode("Relu", {""}, {"y"})), "its input 0 is missing"));
  CHECK(contains(fault(OnnxNode("Relu", {"x"}, {"z"})), "'y' is no input or initializer"));
  CHECK(contains(fault(OnnxNode("Add", {"x", "half"}, {"y"})), "DOUBLE"));
  CHECK(contains(fault(OnnxNode("Frobnicate", {"x"}, {"y"})), "the operator is not supported"));
  CHECK(contains(fault(OnnxNode("Gelu", {"x"}, {"y"})), "operator sets 20 to 26"));
  CHECK(contains(fault(OnnxNode("Flatten", {"x"}, {"y"}).set("axis", 5)), "axis 5 is outside of rank 4"));
  CHECK(contains(fault(OnnxNode("Concat", {"x", "i"}, {"y"}).set("axis", 0)), "one type"));
  CHECK(
      contains(fault(OnnxNode("Relu", {"x"}, {"y"}), 27), "operator set 27 is not supported (1 to 26 are)"));
  OnnxNode foreign("Relu", {"x"}, {"y"});
  foreign.message.set_domain("com.example");
  CHECK(contains(fault(foreign), "domain 'com.example'"));
}

TEST_CASE("onnx: graphs that are no graphs are refused") {
  OnnxModel twice;
  twice.input("x", {1}).input("x", {1}).output("x");
  CHECK(contains(twice.fault(), "'x' is given twice"));
  OnnxModel doubled = conv_and_batch_norm();
  doubled.initializer("bn.bias", vector({1, 2}));
  CHECK(contains(doubled.fault(), "'bn.bias' is given twice"));
  OnnxModel nothing;
  nothing.input("x", {1});
  CHECK(contains(nothing.fault(), "no outputs"));
  OnnxModel aimless;
  aimless.input("x", {1}).node(OnnxNode("Dropout", {"x"}, {}, "drop")).output("x");
  CHECK(contains(aimless.fault(), "'drop' (Dropout, opset 17): has no outputs"));
  OnnxModel huge;
  huge.input("x", {int64_t{1} << 40, int64_t{1} << 40}).output("x");
  CHECK(contains(huge.fault(), "input 'x'"));
  OnnxModel negative;
  negative.input("x", {-5}).output("x");
  CHECK(contains(negative.fault(), "a dimension is -5"));
  OnnxModel rankless;
  rankless.input("x", {1}).output("x");
  rankless.graph().mutable_input(0)->mutable_type()->mutable_tensor_type()->clear_shape();
  CHECK(contains(rankless.fault(), "has no shape"));
  OnnxModel short_data = conv_and_batch_norm();
  short_data.graph().mutable_initializer(0)->mutable_raw_data()->pop_back();
  CHECK(contains(short_data.fault(), "initializer 'conv.weight'"));
  OnnxModel half = conv_and_batch_norm();
  half.graph().mutable_initializer(0)->set_data_type(onnx::TensorProto::FLOAT16);
  CHECK(contains(half.fault(), "FLOAT16 is not supported"));
  OnnxModel no_opset;
  no_opset.input("x", {1}).output("x").message.clear_opset_import();
  CHECK(contains(no_opset.fault(), "no operator set"));
  OnnxModel no_graph;
  no_graph.message.clear_graph();
  CHECK(contains(no_graph.fault(), "holds no graph"));
}

TEST_CASE("onnx: branches nested without end are refused") {
  onnx::GraphProto inner;
  for (int i = 0; i < 200; ++i) {
    onnx::GraphProto outer;
    *outer.add_node() = OnnxNode("If", {"c"}, {"y"}).set("then_branch", inner).message;
    outer.add_output()->set_name("y");
    inner.Swap(&outer);
  }
  OnnxModel model;
  model.graph() = inner;
  CHECK(contains(model.fault(), "is not an ONNX model"));
}

TEST_CASE("onnx: a damaged file is an Error or another model, never a crash") {
  const TemporaryFolder folder;
  const std::string bytes = conv_and_batch_norm().message.SerializeAsString();
  const auto read = [&](const std::string& damaged) {
    read_onnx(write_bytes(folder / "damaged.onnx", damaged));
  };
  CHECK(accepted_truncations(bytes, read) == 0);
  CHECK(accepted_truncations(large_linear().message.SerializeAsString(), read) == 0);
  // A graph, and a name in it, of almost 2 GB.
  CHECK_THROWS_AS(read("\x3a\x80\xfe\xff\xff\x07\x12\x80\xfc\xff\xff\x07name"), Error);
  // A graph that ends a byte before its initializer does.
  OnnxModel model = large_linear();
  const std::string initializer = model.graph().initializer(0).SerializeAsString();
  const auto size = static_cast<unsigned>(initializer.size() + 3);
  const auto with_graph_of = [&](unsigned graph_size) {
    std::string file = {'\x3a', static_cast<char>(graph_size % 128 + 128),
                        static_cast<char>(graph_size / 128)};
    file += {'\x2a', static_cast<char>((size - 3) % 128 + 128), static_cast<char>((size - 3) / 128)};
    model.message.clear_graph();
    return model.message.SerializeAsString() + file + initializer;
  };
  CHECK_THROWS_WITH_AS(read(with_graph_of(size)), doctest::Contains("has no outputs"), Error);
  CHECK_THROWS_WITH_AS(read(with_graph_of(size - 1)), doctest::Contains("is not an ONNX model"), Error);
  CHECK(rejected_changes(bytes, bytes.size(), 2000, 7, read) > 200);
  CHECK_THROWS_AS(read_onnx(folder / "absent.onnx"), Error);
  CHECK_THROWS_AS(read_onnx(folder.path()), Error);
}

TEST_CASE("onnx: sizes that a file only names take no memory when it is read and folded") {
  const int64_t huge = int64_t{1} << 38;
  OnnxModel padded;
  padded.input("x", {1, 2, 2}).initializer("pads", whole({0, 0, 0, 0, 0, huge}));
  padded.initializer("two", vector({2, 2})).initializer("one", vector({1, 1}));
  padded.node(OnnxNode("Pad", {"x", "pads"}, {"wide"}));
  padded.node(OnnxNode("BatchNormalization", {"wide", "two", "one", "one", "one"}, {"y"})).output("y");
  CHECK(fold(padded.read()).ir().nodes.size() == 2);

  OnnxModel expanded;
  expanded.input("x", {1, 1}).initializer("shape", whole({1, huge})).initializer("two", vector({2}));
  expanded.node(OnnxNode("Expand", {"x", "shape"}, {"wide"}));
  expanded.node(OnnxNode("Mul", {"wide", "two"}, {"y"})).output("y");
  CHECK(fold(expanded.read()).ir().nodes.size() == 2);

  // Rows of 5^17 and of 3 * 2^38 meet in more ways than 64 bits can count.
  OnnxModel viewed;
  viewed.input("x", {kDynamic, 762939453125}).initializer("shape", whole({-1, 3, huge}));
  viewed.initializer("s", vector({1, 2, 3}));
  viewed.node(OnnxNode("Reshape", {"x", "shape"}, {"rows"}));
  viewed.node(OnnxNode("BatchNormalization", {"rows", "s", "s", "s", "s"}, {"y"})).output("y");
  CHECK(fold(viewed.read()).ir().nodes.size() == 2);

  OnnxModel empty;
  empty.input("x", {kDynamic, 0}).initializer("w", Tensor({0, huge})).initializer("c", vector({1}));
  empty.node(OnnxNode("Gemm", {"x", "w", "c"}, {"y"})).output("y");
  CHECK(fold(empty.read()).ir().nodes.size() == 2);
}

TEST_CASE("onnx: sizes beyond any memory are refused where they are made") {
  const int64_t huge = int64_t{1} << 62;
  const auto fault = [](const OnnxNode& node, const Tensor& sizes) {
    OnnxModel model;
    model.input("x", {1, 4, 2, 2}).initializer("sizes", sizes).node(node).output("y");
    return model.fault();
  };
  CHECK(
      contains(fault(OnnxNode("Tile", {"x", "sizes"}, {"y"}), whole({1, huge, 1, 1})), "too many elements"));
  CHECK(
      contains(fault(OnnxNode("ConstantOfShape", {"sizes"}, {"y"}), whole({0, huge})), "too many elements"));
  CHECK(contains(fault(OnnxNode("Expand", {"x", "sizes"}, {"y"}), whole({huge, 1, 1, 1, 1})),
                 "too many elements"));
  CHECK(contains(fault(OnnxNode("Resize", {"x", "", "sizes"}, {"y"}), vector({9e5f, 9e5f, 9e5f, 9e5f})),
                 "too many elements"));
  CHECK(contains(fault(OnnxNode("DepthToSpace", {"x"}, {"y"}).set("blocksize", int64_t{1} << 32), whole({})),
                 "too many elements"));
  CHECK(contains(fault(OnnxNode("Pad", {"x", "sizes"}, {"y"}), whole({0, 0, 0, huge, 0, 0, 0, huge})),
                 "pad: 4611686018427387904"));
  CHECK(contains(fault(OnnxNode("MaxPool", {"x"}, {"y"})
                           .set("kernel_shape", std::vector<int64_t>{1, 1})
                           .set("strides", std::vector<int64_t>{1, huge}),
                       whole({})),
                 "strides cannot hold"));
}

TEST_CASE("onnx: a batch normalization behind a node that lacks an optional input folds or stays") {
  OnnxModel model;
  model.input("x", {1, 2, 2, 2})
      .initializer("scales", vector({1, 1, 2, 2}))
      .initializer("one", vector({1, 1}));
  model.node(OnnxNode("Resize", {"x", "", "scales"}, {"large"}));
  model.node(OnnxNode("BatchNormalization", {"large", "one", "one", "one", "one"}, {"y"})).output("y");
  CHECK(fold(model.read()).ir().nodes.size() == 2);
}

TEST_CASE("onnx: constants that grow in steps are made when the network runs") {
  OnnxModel model;
  model.input("x", {1}).initializer("c0", Tensor({1, 4096})).initializer("four", whole({4, 1}));
  for (const char* const step : {"c0", "c1", "c2", "c3"}) {
    const std::string next = {'c', static_cast<char>(step[1] + 1)};
    model.node(OnnxNode("Tile", {step, "four"}, {next}));
  }
  model.node(OnnxNode("ReduceSum", {"c4"}, {"sum"})).node(OnnxNode("Add", {"x", "sum"}, {"y"})).output("y");
  const Graph folded = fold(model.read());
  for (const ValueInfo& value : folded.ir().values) {
    if (value.data.defined()) CHECK(value.data.numel() <= 5 * 4096);
  }
}

TEST_CASE("onnx: a tensor file holds one tensor") {
  const TemporaryFolder folder;
  const Tensor tensor = Tensor::from<int64_t>({2, 2}, {1, -2, 3, 4});
  const auto file = write_bytes(folder / "t.pb", formats::tensor_to_onnx(tensor, "t").SerializeAsString());
  const Tensor read = read_onnx_tensor(file);
  CHECK(read.shape() == tensor.shape());
  CHECK(std::memcmp(read.raw(), tensor.raw(), tensor.bytes()) == 0);
  CHECK_THROWS_AS(read_onnx_tensor(write_bytes(folder / "t.pb", "no tensor")), Error);
}
