// choose_layout and gate_activations: what runs channels last, what does not, and the same results.

#include <doctest/doctest.h>

#include "passes/pipeline.hpp"
#include "passes/to_double.hpp"
#include "pleat/model.hpp"
#include "pleat/models.hpp"
#include "pleat/train.hpp"
#include "support/graph_tools.hpp"
#include "support/model_tools.hpp"
#include "support/run_graph.hpp"

namespace pleat {
namespace {

using test::add_integers;
using test::count;

GraphData prepared(const GraphData& graph, bool precise = false) {
  PassContext context{.precise = precise};
  return inference_graph(graph, /*fold=*/true, context);
}

// The network as it runs, against a double run of it as it was built.
void check_same(const GraphData& graph, const Tensor& x) {
  PassContext context;
  const GraphData unfolded = inference_graph(graph, /*fold=*/false, context);
  const Tensor expected = test::run_graph(to_double(unfolded), {x})[0];
  for (const bool precise : {false, true}) {
    CAPTURE(precise);
    CHECK(test::relative_error(test::run_graph(prepared(graph, precise), {x})[0], expected) < 2e-6);
  }
}

TEST_CASE("choose_layout: a built-in network is channels last between its edges") {
  for (const std::string name : {"mymodel", "resnet20", "mobilenetv2"}) {
    CAPTURE(name);
    const Model model(models::build(name));
    const GraphData& graph = model.graph().ir();
    const GraphData fast = prepared(graph);
    CHECK(count<ops::Conv>(fast) == 0);
    const int joined = count<ops::ExpandDepthwiseChannelsLast>(fast);
    CHECK(count<ops::ConvChannelsLast>(fast) + 2 * joined == count<ops::Conv>(graph));
    CHECK(joined == (name == "mobilenetv2" ? 16 : 0));
    CHECK(count<ops::Transpose>(fast) == 0);  // the first convolution reads the image as it comes
    Shape x = graph.value(graph.inputs[0]).type.shape;
    x[0] = 2;
    for (const int d : {2, 3}) x[d] = x[d] == kDynamic ? 20 : std::min<int64_t>(x[d], 64);
    check_same(graph, test::random_tensor(x, 7));
  }
}

// x (2, 8, 6, 5) through a convolution, then whatever `rest` adds; its output is the graph's.
template <class Rest>
GraphData after_conv(const Rest& rest) {
  GraphData graph;
  const ValueId x = add_input(graph, "x", {DType::f32, {2, 8, 6, 5}});
  const ValueId weight = add_constant(graph, "weight", test::random_tensor({8, 8, 1, 1}, 2));
  const ValueId y = add_node(graph, "conv", ops::Conv{}, {x, weight})[0];
  graph.outputs = {rest(graph, y)};
  graph.output_names = {"y"};
  return graph;
}

TEST_CASE("choose_layout: what is joined for an affine alone is one step with it") {
  for (const bool read_twice : {false, true}) {
    CAPTURE(read_twice);
    const GraphData graph = after_conv([&](GraphData& g, ValueId y) {
      y = add_node(g, "relu", ops::Activate{}, {y})[0];
      const ValueId pool = add_node(g, "max", ops::MaxPool{{{3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}}, {y})[0];
      const ValueId joined = add_node(g, "join", ops::Concat{1}, {y, pool})[0];
      const ValueId scale = add_constant(g, "scale", test::random_tensor({16, 1, 1}, 4));
      const ValueId shift = add_constant(g, "shift", test::random_tensor({16, 1, 1}, 5));
      const ValueId scaled = add_node(g, "mul", ops::Binary{ops::BinaryKind::mul}, {joined, scale})[0];
      const ValueId shifted = add_node(g, "add", ops::Binary{ops::BinaryKind::add}, {scaled, shift})[0];
      const ValueId z = add_node(g, "relu2", ops::Activate{}, {shifted})[0];
      return read_twice ? add_node(g, "larger", ops::Binary{ops::BinaryKind::max}, {z, joined})[0] : z;
    });
    const GraphData fast = prepared(graph);
    CHECK(count<ops::ConcatScaleShiftChannelsLast>(fast) == (read_twice ? 0 : 1));
    CHECK(count<ops::Concat>(fast) == (read_twice ? 1 : 0));
    check_same(graph, test::random_tensor({2, 8, 6, 5}, 3));
  }
}

TEST_CASE("choose_layout: steps that have a channels-last form keep to it, others get their input back") {
  struct Case {
    const char* name;
    int transposes;  // of the input, and back before the output or a step without such a form
    ValueId (*rest)(GraphData&, ValueId);
  };
  const Case cases[] = {
      {"pools", 2,
       [](GraphData& g, ValueId y) {
         y = add_node(g, "max", ops::MaxPool{{{3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}}, {y})[0];
         return add_node(g, "avg", ops::AvgPool{{{2, 2}, {2, 2}}}, {y})[0];
       }},
      {"mean over the plane", 1,
       [](GraphData& g, ValueId y) {
         return add_node(g, "mean", ops::Reduce{ops::ReduceKind::mean, false},
                         {y, add_integers(g, "axes", {-1, 2})})[0];
       }},
      {"mean over the rows", 2,
       [](GraphData& g, ValueId y) {
         return add_node(g, "mean", ops::Reduce{}, {y, add_integers(g, "axes", {2})})[0];
       }},
      {"gate of the channels", 2,
       [](GraphData& g, ValueId y) {
         const ValueId gate = add_node(g, "pool", ops::GlobalAvgPool{true}, {y})[0];
         return add_node(g, "mul", ops::Binary{ops::BinaryKind::mul}, {y, gate})[0];
       }},
      {"constants of every rank", 2,
       [](GraphData& g, ValueId y) {
         int i = 0;
         for (const Shape& shape : {Shape{}, Shape{5}, Shape{6, 1}, Shape{8, 1, 5}, Shape{1, 8, 6, 5}}) {
           const std::string name = "c" + std::to_string(i++);
           const ValueId c = add_constant(g, name, test::random_tensor(shape, 9));
           y = add_node(g, name + ".max", ops::Binary{ops::BinaryKind::max}, {y, c})[0];
         }
         return y;
       }},
      {"slices, pads, parts and joins", 2,
       [](GraphData& g, ValueId y) {
         const auto parts = add_node(g, "split", ops::Split{1, 2}, {y});
         const ValueId cut =
             add_node(g, "slice", ops::StridedSlice{},
                      {parts[1], add_integers(g, "from", {1, 0}), add_integers(g, "to", {4, 3}),
                       add_integers(g, "slice_axes", {-3, 2})})[0];
         const ValueId pad =
             add_node(g, "pad", ops::Pad{}, {cut, add_integers(g, "pads", {0, 0, 1, 0, 0, 0, 2, 0})})[0];
         return add_node(g, "join", ops::Concat{1}, {parts[0], pad})[0];
       }},
      {"channel shuffle", 3,
       [](GraphData& g, ValueId y) {
         y = add_node(g, "apart", ops::Reshape{}, {y, add_integers(g, "s5", {2, 2, 4, 6, 5})})[0];
         y = add_node(g, "swap", ops::Transpose{{0, 2, 1, 3, 4}}, {y})[0];
         return add_node(g, "joined", ops::Reshape{}, {y, add_integers(g, "s4", {2, 8, 6, 5})})[0];
       }},
      {"another reshape", 2,
       [](GraphData& g, ValueId y) {
         return add_node(g, "view", ops::Reshape{}, {y, add_integers(g, "s5", {2, 4, 2, 5, 6})})[0];
       }},
      {"softmax over the channels", 2,
       [](GraphData& g, ValueId y) {
         return add_node(g, "softmax", ops::Softmax{false, 1}, {y})[0];
       }},
      {"a residual in the other order", 2,
       [](GraphData& g, ValueId y) {
         return add_node(g, "sum", ops::Add{}, {y, g.inputs[0]})[0];
       }},
  };
  for (const Case& one : cases) {
    CAPTURE(std::string(one.name));
    const GraphData graph = after_conv(one.rest);
    CHECK(count<ops::ConvChannelsLast>(prepared(graph)) == 1);
    CHECK(count<ops::Transpose>(prepared(graph)) == one.transposes);
    check_same(graph, test::random_tensor({2, 8, 6, 5}, 4));
  }
}

TEST_CASE("choose_layout: a shuffle whose sizes are computed from a batch of any size") {
  GraphData graph;
  const ValueId x = add_input(graph, "x", {DType::f32, {kDynamic, 8, 6, 5}});
  const ValueId weight = add_constant(graph, "weight", test::random_tensor({8, 8, 1, 1}, 2));
  ValueId y = add_node(graph, "conv", ops::Conv{}, {x, weight})[0];
  const ValueId sizes = add_node(graph, "sizes", ops::ShapeOf{}, {y})[0];
  const ValueId batch = add_node(graph, "batch", ops::Gather{}, {sizes, add_integers(graph, "zero", {0})})[0];
  const auto view = [&](const char* name, ValueId from, const std::vector<int64_t>& rest) {
    const ValueId to = add_node(graph, std::string(name) + ".to", ops::Concat{0},
                                {batch, add_integers(graph, "rest", rest)})[0];
    return add_node(graph, name, ops::Reshape{}, {from, to})[0];
  };
  y = view("apart", y, {2, 4, 6, 5});
  y = add_node(graph, "swap", ops::Transpose{{0, 2, 1, 3, 4}}, {y})[0];
  y = view("joined", y, {-1, 6, 5});
  graph.outputs = add_node(graph, "after", ops::Conv{}, {y, weight});
  graph.output_names = {"y"};
  const GraphData fast = prepared(graph);
  CHECK(count<ops::ShapeOf>(fast) == 0);
  CHECK(count<ops::Transpose>(fast) == 3);  // the input, the shuffle, the output
  check_same(graph, test::random_tensor({3, 8, 6, 5}, 4));
}

TEST_CASE("choose_layout: a short convolution takes the average of its plane itself") {
  for (const bool keep_dims : {false, true}) {
    GraphData graph;
    const ValueId x = add_input(graph, "x", {DType::f32, {kDynamic, 3, 9, 8}});
    ops::Conv conv;
    conv.window.kernel = {3, 3};
    const ValueId weight = add_constant(graph, "weight", test::random_tensor({8, 3, 3, 3}, 2));
    const ValueId y = add_node(graph, "conv", conv, {x, weight})[0];
    const ValueId relu = add_node(graph, "relu", ops::Activate{}, {y})[0];
    graph.outputs = add_node(graph, "pool", ops::GlobalAvgPool{keep_dims}, {relu});
    graph.output_names = {"y"};
    CHECK(count<ops::GlobalAvgPoolChannelsLast>(prepared(graph)) == 0);
    check_same(graph, test::random_tensor({3, 3, 9, 8}, 4));
  }
}

TEST_CASE("choose_layout: a depthwise convolution takes in one of single pixels that it alone reads") {
  struct Case {
    const char* name;
    int64_t kernel, stride, groups;  // of the first
    int64_t multiplier;              // the second's outputs a channel
    bool read_twice, joined;
  };
  const Case cases[] = {
      {"both as they must be", 1, 1, 1, 1, false, true}, {"a first kernel of 3x3", 3, 1, 1, 1, false, false},
      {"a first stride of 2", 1, 2, 1, 1, false, false}, {"groups in the first", 1, 1, 2, 1, false, false},
      {"two of each channel", 1, 1, 1, 2, false, false}, {"another reader", 1, 1, 1, 1, true, false},
  };
  for (const Case& one : cases) {
    CAPTURE(std::string(one.name));
    GraphData graph;
    const ValueId x = add_input(graph, "x", {DType::f32, {2, 6, 9, 8}});
    const ops::Conv first{{{one.kernel, one.kernel}, {one.stride, one.stride}}, one.groups, {}};
    const Shape first_shape{6, 6 / one.groups, one.kernel, one.kernel};
    const ValueId w1 = add_constant(graph, "w1", test::random_tensor(first_shape, 2));
    const ValueId b1 = add_constant(graph, "b1", test::random_tensor({6}, 3));
    const ValueId w2 = add_constant(graph, "w2", test::random_tensor({6 * one.multiplier, 1, 3, 3}, 5));
    const ValueId y = add_node(graph, "first", first, {x, w1, b1})[0];
    const ValueId relu = add_node(graph, "relu", ops::Activate{}, {y})[0];
    const ops::Conv second{{{3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, 6, {}};
    graph.outputs = add_node(graph, "second", second, {relu, w2});
    graph.output_names = {"y"};
    if (one.read_twice) {
      graph.outputs.push_back(relu);
      graph.output_names.push_back("relu");
    }
    CHECK(count<ops::ExpandDepthwiseChannelsLast>(prepared(graph)) == (one.joined ? 1 : 0));
    CHECK(count<ops::ConvChannelsLast>(prepared(graph)) == (one.joined ? 0 : 2));
    check_same(graph, test::random_tensor({2, 6, 9, 8}, 4));
  }
}

TEST_CASE("choose_layout: a pad value that is not zero, and data of one dimension, stay as they are") {
  GraphData graph;
  const ValueId x = add_input(graph, "x", {DType::f32, {2, 3, 9}});
  const ValueId weight = add_constant(graph, "weight", test::random_tensor({4, 3, 3}, 2));
  ops::Conv conv;
  conv.window.kernel = {1, 3};
  graph.outputs = add_node(graph, "conv", conv, {x, weight});
  graph.output_names = {"y"};
  CHECK(count<ops::Conv>(prepared(graph)) == 1);
}

TEST_CASE("gate_activations: x * sigmoid(x) is silu, x * hard_sigmoid(x) hardswish, others stay") {
  const auto gated = [](const ops::Attributes& gate, bool of_x, bool gate_first) {
    return after_conv([&](GraphData& g, ValueId y) {
      const ValueId s = add_node(g, "gate", gate, {of_x ? y : g.inputs[0]})[0];
      const std::vector<ValueId> factors = gate_first ? std::vector{s, y} : std::vector{y, s};
      return add_node(g, "mul", ops::Binary{ops::BinaryKind::mul}, factors)[0];
    });
  };
  const ops::Attributes sigmoid = ops::Activate{Activation::sigmoid};
  const ops::Attributes hard = ops::Unary{ops::UnaryKind::hard_sigmoid, 1.0f / 6.0f, 0.5};
  const Tensor x = test::random_tensor({2, 8, 6, 5}, 4);
  for (const bool gate_first : {false, true}) {
    for (const ops::Attributes& gate : {sigmoid, hard}) {
      const GraphData graph = gated(gate, true, gate_first);
      CHECK(count<ops::Binary>(prepared(graph)) == 0);
      CHECK(count<ops::Activate>(prepared(graph)) == 0);  // the convolution does it
      check_same(graph, x);
    }
  }
  for (const GraphData& graph :
       {gated(sigmoid, false, false), gated(ops::Unary{ops::UnaryKind::hard_sigmoid, 0.2, 0.5}, true, false),
        gated(ops::Activate{Activation::tanh}, true, false)}) {
    CHECK(count<ops::Binary>(prepared(graph)) == 1);
    check_same(graph, x);
  }
}

TEST_CASE("choose_training_layout: a depthwise convolution right behind a pointwise one trains") {
  Graph graph;
  Value x = graph.input("x", {kDynamic, 3, 8, 8});
  x = graph.add("expand", Conv2d{3, 12, 1}, {x});
  x = graph.add("depthwise", Conv2d{.in_channels = 12, .out_channels = 12, .kernel_size = 3, .groups = 12},
                {x});
  x = graph.add(GlobalAvgPool{}, {x});
  graph.output("y", graph.add("fc", Linear{12, 2}, {x}));
  Model model(graph);
  const Tensor weight = model.parameter("depthwise.weight").clone();
  Trainer trainer(model, {}, {SGD{.lr = 0.1}});
  trainer.step(test::random_tensor({4, 3, 8, 8}, 1), Tensor::from<int64_t>({4}, {0, 1, 1, 0}));
  CHECK(test::relative_error(model.parameter("depthwise.weight"), weight) > 1e-6);
}

TEST_CASE("ModelOptions::precise keeps training to plain sums too") {
  Graph graph;
  const Value x = graph.input("x", {kDynamic, 32, 12, 12});
  graph.output("y", graph.add("conv", Conv2d{.in_channels = 32, .out_channels = 32, .kernel_size = 3}, {x}));
  const Tensor image = test::random_tensor({2, 32, 12, 12}, 1);
  const auto same = [](const Tensor& a, const Tensor& b) {
    return std::ranges::equal(a.span<float>(), b.span<float>());
  };
  for (const bool precise : {false, true}) {
    CAPTURE(precise);
    const Model model(graph);
    PassContext plain{.precise = true};
    const Tensor sums = test::run_graph(training_graph(model.graph().ir(), plain), {image})[0];
    CHECK(same(Model(graph, {.precise = precise})(image), sums) == precise);
  }
}

TEST_CASE("choose_training_layout: images train channels last, with the results of planes") {
  for (const std::string name : {"mymodel", "cnn", "resnet20", "mobilenetv2"}) {
    CAPTURE(name);
    const Model model(models::build(name));
    const GraphData& graph = model.graph().ir();
    PassContext planes{.disabled = {"choose_training_layout"}}, last;
    const GraphData expected = training_graph(graph, planes), fast = training_graph(graph, last);
    CHECK(count<ops::Conv>(fast) == 0);
    CHECK(count<ops::ConvChannelsLast>(fast) == count<ops::Conv>(graph));
    CHECK(count<ops::Transpose>(fast) == 1);  // of the image
    Shape x = graph.value(graph.inputs[0]).type.shape;
    x[0] = 4;
    for (const int d : {2, 3}) x[d] = x[d] == kDynamic ? 20 : std::min<int64_t>(x[d], 64);
    const Tensor image = test::random_tensor(x, 7);
    CHECK(test::relative_error(test::run_graph(to_double(fast), {image})[0],
                               test::run_graph(to_double(expected), {image})[0]) < 1e-9);
  }
}

}  // namespace
}  // namespace pleat
