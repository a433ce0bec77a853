// Operators whose meaning changed between operator sets, or that frameworks read differently. Expected values
// are worked out by hand; ONNX's own tests (tests/onnx) cover what every operator computes.

#include <doctest/doctest.h>

#include <cmath>

#include "pleat/model.hpp"
#include "support/onnx_model.hpp"

using namespace pleat;
using namespace pleat::test;

namespace {

Tensor floats(Shape shape, const std::vector<float>& values) {
  return Tensor::from<float>(std::move(shape), values);
}
Tensor whole(const std::vector<int64_t>& values) {
  return Tensor::from<int64_t>({static_cast<int64_t>(values.size())}, values);
}
Tensor truth(bool value) {
  Tensor tensor({}, DType::boolean);
  *tensor.data<bool>() = value;
  return tensor;
}

struct Named {
  std::string name;
  Tensor value;
};

/// One node from input "x" and initializers to outputs; their values in inference.
std::vector<Tensor> run(int opset, const OnnxNode& node, const Tensor& x,
                        const std::vector<Named>& initializers = {}) {
  OnnxModel model(opset);
  model.input("x", x.shape(), x.dtype());
  for (const Named& each : initializers) model.initializer(each.name, each.value);
  model.node(node);
  for (const std::string& output : node.message.output()) model.output(output);
  Model read(model.read());
  return read.eval().run({x});
}

void check(const Tensor& got, const Shape& shape, const std::vector<double>& values) {
  CHECK(got.shape() == shape);
  REQUIRE(got.numel() == static_cast<int64_t>(values.size()));
  const Tensor wide = got.to(DType::f64);
  for (size_t i = 0; i < values.size(); ++i) {
    CHECK_MESSAGE(wide.data<double>()[i] == doctest::Approx(values[i]).epsilon(1e-5), "element " << i);
  }
}

std::string fault(int opset, const OnnxNode& node, const Tensor& x,
                  const std::vector<Named>& initializers = {}) {
  try {
    run(opset, node, x, initializers);
    return {};
  } catch (const Error& error) {
    return error.what();
  }
}

const std::vector<Named> kBatchNorm = {{"scale", floats({2}, {2, 1})},
                                       {"shift", floats({2}, {0, 1})},
                                       {"mean", floats({2}, {1, 2})},
                                       {"var", floats({2}, {4, 0})}};
OnnxNode batch_norm(const std::vector<std::string>& outputs) {
  return {"BatchNormalization", {"x", "scale", "shift", "mean", "var"}, outputs};
}

}  // namespace

TEST_CASE("onnx BatchNormalization: epsilon is 1e-5 where it is absent, for inputs of rank 2 to 5") {
  // (x - 2) / sqrt(1e-5) + 1
  const double one_more = 1 / std::sqrt(1e-5) + 1;
  check(run(9, batch_norm({"y"}), floats({1, 2}, {3, 3}), kBatchNorm)[0], {1, 2}, {2, one_more});
  check(run(15, batch_norm({"y"}), floats({1, 2, 1}, {3, 3}), kBatchNorm)[0], {1, 2, 1}, {2, one_more});
  check(run(14, batch_norm({"y"}), floats({1, 2, 1, 1}, {3, 3}), kBatchNorm)[0], {1, 2, 1, 1}, {2, one_more});
  check(run(7, batch_norm({"y"}), floats({1, 2, 1, 1, 1}, {3, 3}), kBatchNorm)[0], {1, 2, 1, 1, 1},
        {2, one_more});
}

TEST_CASE(
    "onnx BatchNormalization: in training mode it takes the batch's statistics, its variance undivided by "
    "n-1") {
  const Tensor x = floats({2, 2}, {0, 5, 4, 7});
  // means 2 and 6, population variances 4 and 1
  const auto set15 =
      run(15, batch_norm({"y", "m", "v"}).set("training_mode", 1).set("epsilon", 0.f), x, kBatchNorm);
  check(set15[0], {2, 2}, {-2, 0, 2, 2});
  check(set15[1], {2}, {0.9 * 1 + 0.1 * 2, 0.9 * 2 + 0.1 * 6});
  check(set15[2], {2}, {0.9 * 4 + 0.1 * 4, 0.1 * 1});
  // Up to 9 the further outputs say so.
  const auto set9 =
      run(9, batch_norm({"y", "m", "v"}).set("momentum", 0.5f).set("epsilon", 0.f), x, kBatchNorm);
  check(set9[0], {2, 2}, {-2, 0, 2, 2});
  check(set9[1], {2}, {1.5, 4});
  CHECK(fault(8, batch_norm({"y"}).set("spatial", 0), x, kBatchNorm).find("spatial 0") != std::string::npos);
}

TEST_CASE(
    "onnx BatchNormalization: on constants, as weights are standardized, and with statistics that are "
    "inputs") {
  OnnxModel model(15);
  model.input("x", {1, 1, 1, 2})
      .initializer("w", floats({1, 1, 1, 2}, {1, 3}))
      .initializer("shape", whole({1, 1, 2}))
      .initializer("back", whole({1, 1, 1, 2}))
      .initializer("one", floats({1}, {1}))
      .initializer("zero", floats({1}, {0}))
      .node(OnnxNode("Reshape", {"w", "shape"}, {"flat"}))
      .node(OnnxNode("BatchNormalization", {"flat", "one", "zero", "zero", "one"}, {"standard"})
                .set("training_mode", 1)
                .set("epsilon", 0.f))
      .node(OnnxNode("Reshape", {"standard", "back"}, {"weight"}))
      .node(OnnxNode("Conv", {"x", "weight"}, {"y"}))
      .output("y");
  Model read(model.read());
  check(read.eval().run({floats({1, 1, 1, 2}, {10, 20})})[0], {1, 1, 1, 1}, {10});  // weights -1 and 1

  OnnxModel open(15);
  open.input("x", {1, 2}).input("scale", {2}).input("shift", {2}).input("mean", {2}).input("var", {2});
  open.node(batch_norm({"y"}).set("epsilon", 0.f)).output("y");
  Model with_inputs(open.read());
  check(with_inputs.eval().run({floats({1, 2}, {3, 4}), floats({2}, {2, 2}), floats({2}, {0, 1}),
                                floats({2}, {1, 1}), floats({2}, {4, 1})})[0],
        {1, 2}, {2, 7});
}

TEST_CASE("onnx Gemm: alpha, beta, transposition of either side and every form of C") {
  const Tensor b = floats({2, 3}, {1, 2, 3, 4, 5, 6}), bt = floats({3, 2}, {1, 4, 2, 5, 3, 6});
  const Tensor x = floats({1, 2}, {1, 10}), xt = floats({2, 1}, {1, 10});
  const auto gemm = [](int transposes_a, int transposes_b) {
    return OnnxNode("Gemm", {"x", "b", "c"}, {"y"})
        .set("alpha", 2.f)
        .set("beta", 0.5f)
        .set("transA", transposes_a)
        .set("transB", transposes_b);
  };
  // x b = 41, 52, 63
  const std::vector<double> plain = {82, 104, 126};
  const std::vector<Tensor> forms = {floats({}, {2}), floats({1}, {2}), floats({3}, {2, 2, 2}),
                                     floats({1, 3}, {2, 2, 2}), floats({1, 1}, {2})};
  for (const Tensor& c : forms) {
    const std::vector<double> wanted = {83, 105, 127};
    check(run(11, gemm(0, 0), x, {{"b", b}, {"c", c}})[0], {1, 3}, wanted);
    check(run(11, gemm(0, 1), x, {{"b", bt}, {"c", c}})[0], {1, 3}, wanted);
    check(run(11, gemm(1, 0), xt, {{"b", b}, {"c", c}})[0], {1, 3}, wanted);
    check(run(11, gemm(1, 1), xt, {{"b", bt}, {"c", c}})[0], {1, 3}, wanted);
  }
  // C a number a row
  check(run(13, gemm(0, 0), floats({2, 2}, {1, 10, 0, 1}), {{"b", b}, {"c", floats({2, 1}, {2, 4})}})[0],
        {2, 3}, {83, 105, 127, 10, 12, 14});
  check(run(11, OnnxNode("Gemm", {"x", "b"}, {"y"}).set("alpha", 2.f), x, {{"b", b}})[0], {1, 3}, plain);
  // B not known
  check(run(11, OnnxNode("Gemm", {"b", "x"}, {"y"}).set("alpha", 2.f), floats({2, 1}, {1, 10}),
            {{"b", floats({1, 2}, {3, 4})}})[0],
        {1, 1}, {86});
}

TEST_CASE("onnx MatMul: with a known matrix, and of operands of rank 1") {
  const Tensor b = floats({2, 3}, {1, 2, 3, 4, 5, 6});
  const OnnxNode node("MatMul", {"x", "b"}, {"y"});
  check(run(9, node, floats({1, 1, 2}, {1, 10}), {{"b", b}})[0], {1, 1, 3}, {41, 52, 63});
  check(run(9, node, floats({2}, {1, 10}), {{"b", b}})[0], {3}, {41, 52, 63});
}

TEST_CASE("onnx Clip: bounds are attributes up to 10, then inputs that may be absent") {
  const Tensor x = floats({3}, {-9, 3, 9});
  check(run(6, OnnxNode("Clip", {"x"}, {"y"}).set("min", 0.f).set("max", 6.f), x)[0], {3}, {0, 3, 6});
  check(run(10, OnnxNode("Clip", {"x"}, {"y"}).set("max", 4.f), x)[0], {3}, {-9, 3, 4});
  const std::vector<Named> bounds = {{"low", floats({}, {-2})}, {"high", floats({}, {6})}};
  check(run(11, OnnxNode("Clip", {"x", "low", "high"}, {"y"}), x, bounds)[0], {3}, {-2, 3, 6});
  check(run(13, OnnxNode("Clip", {"x", "", "high"}, {"y"}), x, bounds)[0], {3}, {-9, 3, 6});
  check(run(13, OnnxNode("Clip", {"x", "low"}, {"y"}), x, bounds)[0], {3}, {-2, 3, 9});
  check(run(12, OnnxNode("Clip", {"x"}, {"y"}), x)[0], {3}, {-9, 3, 9});
  check(run(12, OnnxNode("Clip", {"x", "low"}, {"y"}), whole({-5, 5}),
            {{"low", Tensor::from<int64_t>({}, {1})}})[0],
        {2}, {1, 5});
}

TEST_CASE("onnx Softmax: joins the dimensions from axis 1 on up to 12, takes the last one since 13") {
  const Tensor x({1, 2, 2});
  check(run(11, OnnxNode("Softmax", {"x"}, {"y"}), x)[0], {1, 2, 2}, {0.25, 0.25, 0.25, 0.25});
  check(run(13, OnnxNode("Softmax", {"x"}, {"y"}), x)[0], {1, 2, 2}, {0.5, 0.5, 0.5, 0.5});
  check(run(11, OnnxNode("LogSoftmax", {"x"}, {"y"}).set("axis", 0), x)[0], {1, 2, 2},
        std::vector<double>(4, -std::log(4)));
}

TEST_CASE("onnx reductions: axes are an attribute before 18 (the sum's before 13), then an input") {
  const Tensor x = floats({2, 2}, {1, 2, 3, 6});
  const std::vector<Named> axes = {{"axes", whole({1})}};
  const std::vector<int64_t> one = {1};
  check(run(17, OnnxNode("ReduceMean", {"x"}, {"y"}).set("axes", one), x)[0], {2, 1}, {1.5, 4.5});
  check(run(18, OnnxNode("ReduceMean", {"x", "axes"}, {"y"}).set("keepdims", 0), x, axes)[0], {2},
        {1.5, 4.5});
  check(run(11, OnnxNode("ReduceSum", {"x"}, {"y"}).set("axes", one), x)[0], {2, 1}, {3, 9});
  check(run(13, OnnxNode("ReduceSum", {"x", "axes"}, {"y"}), x, axes)[0], {2, 1}, {3, 9});
  check(run(13, OnnxNode("ReduceSum", {"x"}, {"y"}), x)[0], {1, 1}, {12});
  check(run(13, OnnxNode("ReduceSum", {"x"}, {"y"}).set("noop_with_empty_axes", 1), x)[0], {2, 2},
        {1, 2, 3, 6});
  CHECK(fault(18, OnnxNode("ReduceMean", {"x"}, {"y"}).set("axes", one), x)
            .find("attribute axes is not known") != std::string::npos);
}

TEST_CASE("onnx Split and Slice: attributes that became inputs") {
  const Tensor x = floats({5}, {1, 2, 3, 4, 5});
  const auto parts11 =
      run(11, OnnxNode("Split", {"x"}, {"a", "b"}).set("split", std::vector<int64_t>{1, 4}), x);
  check(parts11[1], {4}, {2, 3, 4, 5});
  const auto parts13 = run(13, OnnxNode("Split", {"x", "sizes"}, {"a", "b"}), x, {{"sizes", whole({3, 2})}});
  check(parts13[0], {3}, {1, 2, 3});
  const auto parts18 = run(18, OnnxNode("Split", {"x"}, {"a", "b"}).set("num_outputs", 2), x);
  check(parts18[0], {3}, {1, 2, 3});
  check(parts18[1], {2}, {4, 5});

  const std::vector<int64_t> begin = {1}, end = {int64_t{1} << 40};
  check(run(9, OnnxNode("Slice", {"x"}, {"y"}).set("starts", begin).set("ends", end), x)[0], {4},
        {2, 3, 4, 5});
  check(run(10, OnnxNode("Slice", {"x", "s", "e", "", "step"}, {"y"}), x,
            {{"s", whole({-1})}, {"e", whole({INT64_MIN})}, {"step", whole({-2})}})[0],
        {3}, {5, 3, 1});
}

TEST_CASE("onnx Squeeze, Unsqueeze and Pad: attributes that became inputs") {
  const Tensor x = floats({1, 2}, {1, 2});
  const std::vector<int64_t> zero = {0}, pads = {0, 1, 0, 0};
  check(run(11, OnnxNode("Squeeze", {"x"}, {"y"}).set("axes", zero), x)[0], {2}, {1, 2});
  check(run(13, OnnxNode("Squeeze", {"x", "axes"}, {"y"}), x, {{"axes", whole({0})}})[0], {2}, {1, 2});
  check(run(13, OnnxNode("Squeeze", {"x"}, {"y"}), x)[0], {2}, {1, 2});
  check(run(11, OnnxNode("Unsqueeze", {"x"}, {"y"}).set("axes", zero), x)[0], {1, 1, 2}, {1, 2});
  check(run(13, OnnxNode("Unsqueeze", {"x", "axes"}, {"y"}), x, {{"axes", whole({-1})}})[0], {1, 2, 1},
        {1, 2});
  check(run(10, OnnxNode("Pad", {"x"}, {"y"}).set("pads", pads).set("value", 9.f), x)[0], {1, 3}, {9, 1, 2});
  check(run(11, OnnxNode("Pad", {"x", "pads"}, {"y"}), x, {{"pads", whole(pads)}})[0], {1, 3}, {0, 1, 2});
  check(run(18, OnnxNode("Pad", {"x", "pads", "", "axes"}, {"y"}), x,
            {{"pads", whole({0, 1})}, {"axes", whole({1})}})[0],
        {1, 3}, {1, 2, 0});
}

TEST_CASE("onnx Resize: from the corner at 10, half a pixel from it since 11") {
  const Tensor x = floats({1, 1, 1, 2}, {0, 4});
  const std::vector<Named> scales = {{"scales", floats({4}, {1, 1, 1, 2})}};
  check(run(10, OnnxNode("Resize", {"x", "scales"}, {"y"}).set("mode", "linear"), x, scales)[0], {1, 1, 1, 4},
        {0, 2, 4, 4});
  check(run(9, OnnxNode("Upsample", {"x", "scales"}, {"y"}), x, scales)[0], {1, 1, 1, 4}, {0, 0, 4, 4});
  check(run(8, OnnxNode("Upsample", {"x"}, {"y"}).set("scales", std::vector<float>{1, 1, 1, 2}), x)[0],
        {1, 1, 1, 4}, {0, 0, 4, 4});
  check(run(13, OnnxNode("Resize", {"x", "", "scales"}, {"y"}).set("mode", "linear"), x, scales)[0],
        {1, 1, 1, 4}, {0, 1, 3, 4});
}

TEST_CASE("onnx Dropout: is the identity, and trains") {
  const Tensor x = floats({2}, {1, 2});
  check(run(6, OnnxNode("Dropout", {"x"}, {"y"}).set("is_test", 1), x)[0], {2}, {1, 2});
  check(run(10, OnnxNode("Dropout", {"x"}, {"y", "mask"}).set("ratio", 0.9f), x)[1], {2}, {1, 1});
  const std::vector<Named> inputs = {{"ratio", floats({}, {0.5f})}, {"training", truth(true)}};
  check(run(12, OnnxNode("Dropout", {"x", "ratio"}, {"y"}), x, inputs)[0], {2}, {1, 2});
  CHECK(fault(13, OnnxNode("Dropout", {"x", "ratio", "training"}, {"y"}), x, inputs).find("training_mode") !=
        std::string::npos);
  OnnxModel model(12);
  model.input("x", {1000}).initializer("ratio", floats({}, {0.5f}));
  model.node(OnnxNode("Dropout", {"x", "ratio"}, {"y"})).output("y");
  Model trained(model.read());
  const Tensor ones = floats({1000}, std::vector<float>(1000, 1));
  const Tensor y = trained.run({ones})[0];
  int dropped = 0;
  for (const float value : y.span<float>()) dropped += value == 0;
  CHECK(dropped > 400);
  CHECK(dropped < 600);
}

TEST_CASE("onnx PRelu, HardSigmoid, LeakyRelu, Elu: defaults and the slopes before 7") {
  const Tensor x = floats({1, 2, 1}, {-2, -4});
  check(run(6, OnnxNode("PRelu", {"x", "slope"}, {"y"}), x, {{"slope", floats({2}, {0.5f, 0.25f})}})[0],
        {1, 2, 1}, {-1, -1});
  check(run(9, OnnxNode("PRelu", {"x", "slope"}, {"y"}), x, {{"slope", floats({2, 1}, {0.5f, 0.25f})}})[0],
        {1, 2, 1}, {-1, -1});
  check(run(6, OnnxNode("HardSigmoid", {"x"}, {"y"}), x)[0], {1, 2, 1}, {0.1, 0});
  check(run(6, OnnxNode("LeakyRelu", {"x"}, {"y"}), x)[0], {1, 2, 1}, {-0.02, -0.04});
  check(run(6, OnnxNode("Elu", {"x"}, {"y"}), x)[0], {1, 2, 1}, {std::expm1(-2.), std::expm1(-4.)});
}

TEST_CASE("onnx GroupNormalization: scale and shift are a group's up to 20, a channel's since 21") {
  const Tensor x = floats({1, 4, 1}, {1, 3, 5, 9});
  const OnnxNode node =
      OnnxNode("GroupNormalization", {"x", "s", "b"}, {"y"}).set("num_groups", 2).set("epsilon", 0.f);
  check(run(18, node, x, {{"s", floats({2}, {1, 2})}, {"b", floats({2}, {0, 1})}})[0], {1, 4, 1},
        {-1, 1, -1, 3});
  check(run(21, node, x, {{"s", floats({4}, {1, 2, 3, 4})}, {"b", floats({4}, {0, 0, 1, 1})}})[0], {1, 4, 1},
        {-1, 2, -2, 5});
}

TEST_CASE("onnx Add: the broadcasting before 7 aligns the second operand at an axis") {
  const Tensor x({1, 2, 2});
  const std::vector<Named> vector = {{"b", floats({2}, {1, 2})}};
  const OnnxNode plain("Add", {"x", "b"}, {"y"});
  check(run(7, plain, x, vector)[0], {1, 2, 2}, {1, 2, 1, 2});
  check(run(6, OnnxNode("Add", {"x", "b"}, {"y"}).set("broadcast", 1).set("axis", 1), x, vector)[0],
        {1, 2, 2}, {1, 1, 2, 2});
  CHECK(fault(6, plain, x, vector).find("one shape") != std::string::npos);
}

TEST_CASE("onnx ConvTranspose: groups share the weight's first dimension out") {
  // Two input channels, two groups, one output channel each.
  check(run(11,
            OnnxNode("ConvTranspose", {"x", "w"}, {"y"})
                .set("group", 2)
                .set("strides", std::vector<int64_t>{2}),
            floats({1, 2, 2}, {1, 2, 3, 4}), {{"w", floats({2, 1, 2}, {1, 10, 100, 1000})}})[0],
        {1, 2, 4}, {1, 10, 2, 20, 300, 3000, 400, 4000});
}

TEST_CASE("onnx Conv: over three dimensions, padded to the input's size") {
  // A kernel (2, 1, 1) that takes the difference of neighbours in depth.
  check(run(11, OnnxNode("Conv", {"x", "w"}, {"y"}).set("auto_pad", "SAME_UPPER"),
            floats({2, 1, 3, 1, 1}, {1, 4, 9, 2, 2, 2}), {{"w", floats({1, 1, 2, 1, 1}, {-1, 1})}})[0],
        {2, 1, 3, 1, 1}, {3, 5, -9, 0, 0, -2});
}

TEST_CASE("onnx Cast: a constant of doubles becomes one of floats") {
  OnnxModel model;
  model.input("x", {1})
      .node(OnnxNode("Constant", {}, {"half"}).set("value", Tensor::from<double>({}, {0.5})))
      .node(OnnxNode("Cast", {"half"}, {"f"}).set("to", 1))
      .node(OnnxNode("Mul", {"x", "f"}, {"y"}))
      .output("y");
  Model read(model.read());
  check(read.eval().run({floats({1}, {3})})[0], {1}, {1.5});
}
