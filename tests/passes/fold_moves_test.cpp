// How far affines go to be folded: through what lies between, forward, and into parallel branches.

#include <doctest/doctest.h>

#include "support/fold_net.hpp"

namespace pleat {
namespace {

using test::FoldNet;
using test::FoldOutcome;

constexpr double kTolerance = 2e-6;

// "bn" is folded by that rule, exactly.
void check_folded(FoldNet& net, const std::string& target, const std::string& reason) {
  const FoldOutcome outcome = net.fold();
  INFO(print(outcome.graph));
  CHECK(outcome.entry("bn").folded);
  CHECK(outcome.entry("bn").target == target);
  CHECK(outcome.entry("bn").reason == reason);
  CHECK(outcome.error < kTolerance);
}

// "bn" stays for that reason.
void check_left(FoldNet& net, const std::string& reason) {
  const FoldOutcome outcome = net.fold();
  CHECK_FALSE(outcome.entry("bn").folded);
  INFO(outcome.entry("bn").reason);
  CHECK(outcome.entry("bn").reason.find(reason) != std::string::npos);
  CHECK(outcome.error < kTolerance);
}

TEST_CASE("fold_backward: through views, pools and transpositions") {
  FoldNet flat;
  ValueId x = flat.conv("conv", flat.input({kDynamic, 3, 5, 5}), 4, 3);
  x = flat.node("flatten", ops::Flatten{}, {flat.node("pool", ops::GlobalAvgPool{.keep_dims = true}, {x})});
  flat.output(flat.batch_norm("bn", x));
  check_folded(flat, "conv", "moved through pool, flatten, folded into weight and bias");

  FoldNet shuffle;  // channels in 2 groups, interleaved
  x = shuffle.conv("conv", shuffle.input({kDynamic, 3, 5, 5}), 6, 3);
  x = shuffle.node("split", ops::Reshape{}, {x, shuffle.integers({0, 2, 3, 3, 3})});
  x = shuffle.node("swap", ops::Transpose{{0, 2, 1, 3, 4}}, {x});
  x = shuffle.node("join", ops::Reshape{}, {x, shuffle.integers({0, 6, 3, 3})});
  shuffle.output(shuffle.batch_norm("bn", x));
  check_folded(shuffle, "conv", "moved through split, swap, join, folded into weight and bias");

  FoldNet mean;
  x = mean.conv("conv", mean.input({2, 3, 5, 5}), 4, 3);
  x = mean.node("mean", ops::Reduce{.keep_dims = false}, {x, mean.integers({2, 3})});
  mean.output(mean.batch_norm("bn", x));
  check_folded(mean, "conv", "moved through mean, folded into weight and bias");
}

TEST_CASE("fold_backward: a convolution of volumes, of any batch") {
  FoldNet net;
  ValueId x = net.input({kDynamic, 2, 5, 4, 4});
  x = net.node("unfold", ops::UnfoldDepth{.kernel = 3, .pad_begin = 1, .pad_end = 1}, {x});
  x = net.node("fold", ops::FoldDepth{.window = {}, .depth = 5, .output_padding = 0},
               {net.conv("conv", x, 3, 3, 1)});
  net.output(net.batch_norm("bn", x));
  check_folded(net, "conv", "moved through fold, folded into weight and bias");
}

TEST_CASE("fold_backward: through splits, slices, pads, blocks and resizing") {
  FoldNet net;
  ValueId x = net.conv("conv", net.input({kDynamic, 3, 6, 6}), 8, 3);
  const auto parts = add_node(net.graph, "split", ops::Split{1, 2}, {x, kAbsent});
  net.output(net.relu("relu", parts[0]));
  x = net.node("slice", ops::Slice{2, 1, 3}, {parts[1]});
  x = net.node("blocks", ops::DepthToSpace{2}, {x});
  x = net.node("pad", ops::Pad{ops::PadMode::edge}, {x, net.integers({0, 0, 1, 1, 0, 0, 1, 1})});
  const ValueId scales = net.constant(Tensor::from<float>({4}, {1, 1, 2, 2}));
  x = net.node("resize", ops::Resize{.mode = ops::ResizeMode::linear, .axes = {}},
               {x, kAbsent, scales, kAbsent});
  net.output(net.batch_norm("bn", x));
  check_folded(net, "conv", "moved through split, slice, blocks, pad, resize, folded into weight and bias");

  FoldNet zeros;  // where a scale keeps the padding and a shift does not
  x = zeros.node(
      "pad", ops::Pad{},
      {zeros.conv("conv", zeros.input({2, 3, 6, 6}), 4, 3), zeros.integers({0, 0, 1, 1, 0, 0, 1, 1})});
  zeros.output(zeros.binary("bn", ops::BinaryKind::mul, x, zeros.random({4, 1, 1})));
  check_folded(zeros, "conv", "moved through pad, folded into weight and bias");
  FoldNet shifted;
  x = shifted.node(
      "pad", ops::Pad{},
      {shifted.conv("conv", shifted.input({2, 3, 6, 6}), 4, 3), shifted.integers({0, 0, 1, 1, 0, 0, 1, 1})});
  shifted.output(shifted.batch_norm("bn", x));
  check_left(shifted, "pad (pad) would need another padding for each channel");
}

TEST_CASE("fold_backward: features of a flattened image are no channels") {
  FoldNet net;
  const ValueId x = net.conv("conv", net.input({2, 3, 5, 5}), 4, 3);
  net.output(net.batch_norm("bn", net.node("flatten", ops::Flatten{}, {x})));
  check_left(net, "normalizes dimension 2 of 4, but conv makes dimension 1");
  FoldNet mixed;  // rows of 6 read as rows of 4: which channel an element has depends on the batch
  const ValueId y = mixed.linear("fc", mixed.input({kDynamic, 3}), 6);
  mixed.output(mixed.batch_norm("bn", mixed.node("view", ops::Reshape{}, {y, mixed.integers({-1, 4})})));
  check_left(mixed, "varies along dimension 0 of fc, whose size is known only when it runs");
}

TEST_CASE("fold_backward: every branch of a sum or a concatenation takes its part") {
  FoldNet sum;
  ValueId x = sum.input({2, 3, 5, 5});
  sum.output(sum.batch_norm(
      "bn", sum.node("add", ops::Add{}, {sum.relu("relu", sum.conv("a", x, 4, 3)), sum.conv("b", x, 4, 3)})));
  check_left(sum, "relu (activate) keeps positive scales only");

  FoldNet both;
  x = both.input({2, 3, 5, 5});
  both.output(both.batch_norm(
      "bn", both.node("concat", ops::Concat{1}, {both.conv("a", x, 4, 3), both.conv("b", x, 2, 3)})));
  check_folded(both, "a, b", "moved through concat, folded into weight and bias");
}

TEST_CASE("fold_backward: pools that pad, orders that turn round") {
  FoldNet padded;
  ValueId x = padded.conv("conv", padded.input({2, 3, 6, 6}), 4, 3);
  padded.output(
      padded.batch_norm("bn", padded.node("pool", ops::AvgPool{.window = FoldNet::window(4, 3, 1)}, {x})));
  check_left(padded, "pool (avg_pool) does not keep a shift");

  FoldNet excluded;
  x = excluded.conv("conv", excluded.input({2, 3, 6, 6}), 4, 3);
  const ops::AvgPool pool{.window = FoldNet::window(4, 3, 1), .count_include_pad = false};
  excluded.output(excluded.batch_norm("bn", excluded.node("pool", pool, {x})));
  check_folded(excluded, "conv", "moved through pool, folded into weight and bias");

  const auto max_pooled = [](float sign) {
    FoldNet net;
    const ValueId y = net.conv("conv", net.input({2, 3, 6, 6}), 1, 3);
    const ValueId pooled = net.node("pool", ops::MaxPool{.window = FoldNet::window(4, 2)}, {y});
    const auto one = [](float value) { return Tensor::from<float>({1}, {value}); };
    net.output(net.batch_norm("bn", pooled, one(sign), one(0.3f), one(0.5f)));
    return net;
  };
  FoldNet positive = max_pooled(2), negative = max_pooled(-2);
  check_folded(positive, "conv", "moved through pool, folded into weight and bias");
  check_left(negative, "keeps the order, which a negative scale turns round");
}

TEST_CASE("fold_forward: into a padded convolution, whose padding stands for the shift") {
  for (const int rank : {3, 4}) {
    for (const int64_t groups : {1, 2, 4}) {
      FoldNet net;
      const ValueId x = rank == 3 ? net.input({2, 4, 9}) : net.input({2, 4, 6, 7});
      net.output(net.conv("conv", net.batch_norm("bn", x), 8, 3, 1, groups));
      check_folded(net, "conv", "forward into weight, bias and padding");
    }
  }
  FoldNet unpadded;
  unpadded.output(unpadded.conv("conv", unpadded.batch_norm("bn", unpadded.input({2, 4, 6, 7})), 8, 3));
  check_folded(unpadded, "conv", "forward into weight and bias");
}

TEST_CASE("fold_forward: an image's preparation goes into the first convolution") {
  FoldNet net;
  ValueId x = net.input({kDynamic, 3, 8, 8});
  x = net.binary("unit", ops::BinaryKind::div, x, net.scalar(0.5f));
  x = net.binary("mean", ops::BinaryKind::sub, x, net.random({3, 1, 1}));
  x = net.binary("deviation", ops::BinaryKind::div, x, net.random({3, 1, 1}, 0.2, 0.5));
  net.output(net.relu("relu", net.conv("conv", x, 4, 3, 1)));
  const FoldOutcome outcome = net.fold();
  CHECK(outcome.graph.nodes.size() == 1);
  CHECK(outcome.report.folded(FoldKind::affine) == 3);
  CHECK(outcome.report.folded() == 0);
  CHECK(outcome.error < kTolerance);
}

TEST_CASE("fold_forward: to several readers, all or none") {
  const auto readers = [](bool tanh) {
    FoldNet net;
    const ValueId x =
        net.batch_norm("bn", net.relu("relu", net.conv("first", net.input({2, 3, 6, 6}), 4, 3)));
    net.output(net.conv("a", x, 2, 3, 1));
    net.output(net.conv("b", x, 3, 1));
    if (tanh) net.output(net.node("tanh", ops::Activate{Activation::tanh, 0}, {x}));
    return net;
  };
  FoldNet all = readers(false), none = readers(true);
  check_folded(all, "a, b", "forward into weight, bias and padding");
  check_left(none, "tanh (activate) is not linear");
}

TEST_CASE("fold_forward: through a pool into a linear layer; a transposed convolution takes a scale alone") {
  FoldNet net;
  const ValueId x =
      net.batch_norm("bn", net.relu("relu", net.conv("conv", net.input({kDynamic, 3, 6, 6}), 4, 3)));
  net.output(net.linear("fc", net.node("flatten", ops::Flatten{}, {x}), 5));
  check_folded(net, "fc", "moved through flatten, forward into weight and bias");

  FoldNet transposed;
  const ValueId y = transposed.batch_norm("bn", transposed.input({2, 2, 4, 4}));
  transposed.output(transposed.node("up", ops::ConvTranspose{.window = FoldNet::window(4, 3, 1, 2)},
                                    {y, transposed.random({2, 3, 3, 3}), kAbsent}));
  check_left(transposed, "unevenly at the borders");
  FoldNet scaled;
  const ValueId z =
      scaled.binary("bn", ops::BinaryKind::mul, scaled.input({2, 2, 4, 4}), scaled.random({2, 1, 1}));
  scaled.output(scaled.node("up", ops::ConvTranspose{.window = FoldNet::window(4, 3, 1, 2)},
                            {z, scaled.random({2, 3, 3, 3}), kAbsent}));
  check_folded(scaled, "up", "forward into weight and bias");
}

TEST_CASE("fold_forward: not where the mean is far above the deviation") {
  FoldNet net;
  const auto all = [](float value) { return Tensor::from<float>({2}, {value, value}); };
  const ValueId x = net.batch_norm("bn", net.input({2, 2, 4, 4}), all(1), all(1000), all(1));
  net.output(net.conv("conv", x, 3, 3));
  check_left(net, "times the deviation would cost accuracy");
}

TEST_CASE("merge_branches: the branches of RepVGG and ACNet are one convolution") {
  for (const int64_t groups : {1, 2, 4}) {
    FoldNet net;
    const ValueId x = net.input({kDynamic, 4, 6, 7});
    const ValueId large = net.batch_norm("bn3", net.conv("conv3", x, 4, 3, 1, groups, false));
    const ValueId small = net.batch_norm("bn1", net.conv("conv1", x, 4, 1, 0, groups, false));
    const ValueId sum = net.node("sum", ops::Add{}, {large, small});
    net.output(net.relu("relu", net.node("all", ops::Add{}, {sum, net.batch_norm("bn", x)})));
    const FoldOutcome outcome = net.fold();
    CHECK(outcome.report.folded() == 3);
    CHECK(outcome.entry("bn").target == "conv3");
    CHECK(outcome.graph.nodes.size() == 1);
    CHECK(outcome.error < kTolerance);
  }
  FoldNet cross;
  const ValueId x = cross.input({2, 3, 6, 6});
  const auto line = [&](const char* name, std::array<int64_t, 2> kernel, std::array<int64_t, 2> pad) {
    const ops::Window window{.kernel = kernel, .pad_begin = pad, .pad_end = pad};
    return cross.node(name, ops::Conv{window, 1, {}},
                      {x, cross.random({4, 3, kernel[0], kernel[1]}), cross.random({4})});
  };
  const ValueId lines =
      cross.node("lines", ops::Add{}, {line("across", {1, 3}, {0, 1}), line("down", {3, 1}, {1, 0})});
  cross.output(
      cross.batch_norm("bn", cross.node("sum", ops::Add{}, {lines, cross.conv("square", x, 4, 3, 1)})));
  const FoldOutcome outcome = cross.fold();
  CHECK(outcome.graph.nodes.size() == 1);
  CHECK(outcome.error < kTolerance);
}

TEST_CASE("add_scale_shifts: branches that are scaled alike are added first") {
  FoldNet net;
  const ValueId x = net.input({2, 3, 6, 6}), z = net.input({2, 3, 6, 6}, "z"), scale = net.random({3, 1, 1});
  const ValueId a = net.binary("a", ops::BinaryKind::mul, x, scale),
                b = net.binary("bn", ops::BinaryKind::mul, z, scale);
  net.output(net.node("sum", ops::Add{}, {a, b}));
  const FoldOutcome outcome = net.fold();
  CHECK(outcome.entry("bn").target == "a");
  CHECK(outcome.graph.nodes.size() == 2);
  CHECK(outcome.error < kTolerance);
}

TEST_CASE("merge_branches: not of other inputs, strides or places") {
  FoldNet net;
  const ValueId x = net.input({2, 3, 6, 6}), z = net.input({2, 3, 6, 6}, "z");
  const ValueId other = net.node("sum", ops::Add{}, {net.conv("a", x, 4, 3, 1), net.conv("b", z, 4, 1)});
  const ValueId outside = net.conv("c", x, 4, 1);
  net.output(net.node("all", ops::Add{}, {other, outside}));
  const FoldOutcome outcome = net.fold();
  CHECK(outcome.graph.nodes.size() == 2);  // a with c, and b
  CHECK(outcome.error < kTolerance);
}

TEST_CASE("passes: layers to be kept stay steps of their own; the folded graph is one of plain layers") {
  FoldNet net;
  ValueId x = net.batch_norm("bn", net.conv("conv1", net.input({2, 3, 6, 6}), 4, 3));
  x = net.batch_norm("bn2", net.conv("conv2", net.relu("relu", x), 4, 3));
  net.output(x);
  PassContext context;
  context.keep = {"bn"};
  const FoldOutcome outcome = net.fold(context);
  CHECK(outcome.entry("bn").reason == "to be kept as it is");
  CHECK(outcome.entry("bn2").folded);
  CHECK(outcome.error < kTolerance);

  PassContext plain;
  const GraphData folded = folded_graph(net.graph, plain);
  CHECK(folded.nodes.size() == 3);
  for (const Node& node : folded.nodes) {
    for (ValueId input : node.inputs)
      CHECK((input == kAbsent || folded.value(input).type.dtype == DType::f32));
  }
}

}  // namespace
}  // namespace pleat
