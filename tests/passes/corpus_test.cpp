// A corpus of small graphs: every kind of linear layer with an affine before or behind it, near or far, with
// the statistics, weights and readers that fold bugs are made of. Each either folds and gives the results of
// a double run of the graph as built, or says why it does not.

#include <doctest/doctest.h>

#include <map>

#include "base/format.hpp"
#include "base/random.hpp"
#include "support/fold_net.hpp"

namespace pleat {
namespace {

using test::FoldNet;
using test::FoldOutcome;

enum class LayerKind { conv1d, conv2d, conv_transpose1d, conv_transpose2d, linear, linear3d, matmul, count };
enum class AffineKind { batch_norm, plain_batch_norm, multiply, subtract_divide, count };
enum class Position { behind, before, count };
enum class Between {
  nothing,
  relu,
  max_pool,
  avg_pool,
  concat,
  add,
  slice,
  pad,
  flatten,
  transpose,
  global_pool,
  count
};
enum class Readers { one, two, output, count };
enum class WeightKind { own, shared, dynamic, count };

constexpr int64_t kChannels = 4;
constexpr double kTolerance = 2e-6;

struct Spec {
  LayerKind layer;
  AffineKind affine;
  Position position;
  Between between;
  Readers readers;
  WeightKind weight;
  int64_t groups;
  bool bias, dynamic_batch;
  int variance, gamma;  // index into the lists below

  std::string str() const {
    return concat("layer ", static_cast<int>(layer), " affine ", static_cast<int>(affine), " position ",
                  static_cast<int>(position), " between ", static_cast<int>(between), " readers ",
                  static_cast<int>(readers), " weight ", static_cast<int>(weight), " groups ", groups,
                  " bias ", bias, " dynamic ", dynamic_batch, " variance ", variance, " gamma ", gamma);
  }
};

constexpr float kVariances[] = {0, 1e-30f, 1e-12f, 1, 1e6f};
constexpr std::pair<double, double> kGammas[] = {{0, 0}, {-2, -0.5}, {0.5, 2}, {-1, 1}};

Spec draw(Random& random) {
  const auto pick = [&]<class E>(E) { return static_cast<E>(random.below(static_cast<uint64_t>(E::count))); };
  // The plain case is drawn more often than what cannot fold at all.
  const auto seldom = [&]<class E>(E usual) {
    return random.below(4) != 0 ? usual : static_cast<E>(random.below(static_cast<uint64_t>(E::count)));
  };
  return {.layer = pick(LayerKind::count),
          .affine = pick(AffineKind::count),
          .position = pick(Position::count),
          .between = pick(Between::count),
          .readers = seldom(Readers::one),
          .weight = seldom(WeightKind::own),
          .groups = std::array<int64_t, 3>{1, 2, kChannels}[random.below(3)],
          .bias = random.below(2) == 0,
          .dynamic_batch = random.below(2) == 0,
          .variance = static_cast<int>(random.below(5)),
          .gamma = static_cast<int>(random.below(4))};
}

// Builds the graph of a spec.
struct Corpus {
  const Spec& spec;
  FoldNet net;
  int names = 0;

  std::string name(const char* kind) { return concat(kind, ++names); }
  const Shape& shape(ValueId value) const { return net.graph.value(value).type.shape; }
  int64_t last(ValueId value) const { return shape(value)[shape(value).rank() - 1]; }

  Shape input_shape() const {
    const int64_t batch = spec.dynamic_batch ? kDynamic : 2;
    switch (spec.layer) {
      case LayerKind::conv2d:
      case LayerKind::conv_transpose2d:
        return {batch, kChannels, 5, 6};
      case LayerKind::linear:
      case LayerKind::matmul:
        return {batch, kChannels};
      default:
        return {batch, kChannels, 4};
    }
  }

  // Weight and bias of a layer on `in` channels.
  ValueId weight(const Shape& wanted) {
    return spec.weight == WeightKind::dynamic ? net.input(wanted, "weight") : net.random(wanted);
  }

  // The layer; a second one with the same weight is another output.
  ValueId layer(ValueId x) {
    ops::Attributes op = ops::Linear{};
    std::vector<ValueId> inputs;
    const int rank = shape(x).rank();
    const int64_t groups = shape(x)[1] % spec.groups == 0 ? spec.groups : 1;
    const auto filter = [&](int64_t first, int64_t second) {
      Shape w{first, second};
      for (int d = 2; d < rank; ++d) w.push_back(3);
      return weight(w);
    };
    const ValueId bias = spec.bias ? net.random({kChannels}) : kAbsent;
    if (rank == 2 || spec.layer == LayerKind::linear || spec.layer == LayerKind::linear3d) {
      op = ops::Linear{};
      inputs = {x, weight({kChannels, last(x)}), bias};
      if (spec.layer == LayerKind::matmul) {
        op = ops::MatMul{};
        inputs = {x, weight({last(x), kChannels})};
      }
    } else if (spec.layer == LayerKind::conv1d || spec.layer == LayerKind::conv2d) {
      op = ops::Conv{FoldNet::window(rank, 3, 1, 1 + names % 2), groups, {}};
      inputs = {x, filter(kChannels, shape(x)[1] / groups), bias};
    } else {
      op = ops::ConvTranspose{.window = FoldNet::window(rank, 3, 1, 2), .groups = groups};
      inputs = {x, filter(shape(x)[1], kChannels / groups), bias};
    }
    const ValueId y = net.node(name("layer"), op, inputs);
    if (spec.weight == WeightKind::shared) net.output(net.node(name("layer"), op, inputs));
    return y;
  }

  ValueId affine(ValueId x) {
    const int64_t c = shape(x)[1];
    if (spec.affine == AffineKind::batch_norm || spec.affine == AffineKind::plain_batch_norm) {
      const auto [low, high] = kGammas[spec.gamma];
      Tensor var = test::random_tensor({c}, ++net.seed, 0.5, 1.5);
      for (float& v : var.span<float>()) v *= kVariances[spec.variance];
      const bool plain = spec.affine == AffineKind::plain_batch_norm;
      return net.node(name("bn"), ops::BatchNorm{.spatial_dims = net.spatial_dims(x)},
                      {x, plain ? kAbsent : net.random({c}, low, high), plain ? kAbsent : net.random({c}),
                       net.random({c}), net.constant(var), kAbsent, kAbsent});
    }
    Shape each{c};
    for (int d = 2; d < shape(x).rank(); ++d) each.push_back(1);
    if (spec.affine == AffineKind::multiply) {
      return net.binary(name("mul"), ops::BinaryKind::mul, net.random(each), x);
    }
    const ValueId less = net.binary(name("sub"), ops::BinaryKind::sub, x, net.random(each));
    return net.binary(name("div"), ops::BinaryKind::div, less, net.scalar(0.25f));
  }

  ValueId between(ValueId x) {
    const int rank = shape(x).rank();
    switch (spec.between) {
      case Between::relu:
        return net.relu(name("relu"), x);
      case Between::max_pool:
        return rank < 3 ? x : net.node(name("pool"), ops::MaxPool{.window = FoldNet::window(rank, 2)}, {x});
      case Between::avg_pool:
        return rank < 3 ? x : net.node(name("pool"), ops::AvgPool{.window = FoldNet::window(rank, 2)}, {x});
      case Between::concat:
        return net.node(name("concat"), ops::Concat{1}, {x, net.input(shape(x), "other")});
      case Between::add:
        return net.node(name("add"), ops::Add{}, {x, net.input(shape(x), "other")});
      case Between::slice:
        return net.node(name("slice"), ops::Slice{1, 1, 3}, {x});
      case Between::pad: {
        std::vector<int64_t> pads(static_cast<size_t>(2 * rank), 0);
        pads[static_cast<size_t>(2 * rank - 1)] = 1;
        return net.node(name("pad"), ops::Pad{}, {x, net.integers(pads)});
      }
      case Between::flatten:
        return net.node(name("flatten"), ops::Flatten{}, {x});
      case Between::transpose: {
        if (rank < 3) return x;
        std::vector<int64_t> order = {0, 1, 2, 3};
        order.resize(static_cast<size_t>(rank));
        std::swap(order[1], order[2]);
        return net.node(name("transpose"), ops::Transpose{order},
                        {net.node(name("transpose"), ops::Transpose{order}, {x})});
      }
      case Between::global_pool:
        return rank < 3 ? x : net.node(name("pool"), ops::GlobalAvgPool{}, {x});
      default:
        return x;
    }
  }

  // What reads the value where a fold would have it change unseen.
  ValueId watched(ValueId value) {
    if (spec.readers == Readers::two)
      net.output(net.node(name("tanh"), ops::Activate{Activation::tanh, 0}, {value}));
    if (spec.readers == Readers::output) net.output(value);
    return value;
  }

  void build() {
    const ValueId x = net.input(input_shape());
    if (spec.position == Position::behind) {
      net.output(affine(between(watched(layer(x)))));
    } else {
      net.output(layer(between(watched(affine(x)))));
    }
  }
};

TEST_CASE("fold: a corpus of graphs folds exactly, or says why not") {
  constexpr int kGraphs = 2500;
  Random random(7);
  std::map<std::string, int> folded_by;
  int folded = 0, left = 0;
  for (int i = 0; i < kGraphs; ++i) {
    const Spec spec = draw(random);
    Corpus corpus{spec, {}};
    corpus.net.seed = static_cast<uint64_t>(i) * 100;
    corpus.build();
    const FoldOutcome outcome = corpus.net.fold();
    const std::string what = concat("graph ", i, ": ", spec.str());
    INFO(what);
    INFO(print(outcome.graph));
    CHECK(outcome.error < kTolerance);
    for (const FoldEntry& entry : outcome.report.entries) {
      CAPTURE(entry.layer);
      CAPTURE(entry.reason);
      CHECK_FALSE(entry.reason.empty());
      CHECK(entry.folded == !entry.target.empty());
      ++(entry.folded ? folded : left);
      if (entry.folded) ++folded_by[concat(static_cast<int>(spec.layer), static_cast<int>(spec.position))];
    }
  }
  MESSAGE(folded, " folded, ", left, " left");
  CHECK(folded > kGraphs / 2);
  // Every kind of layer folds, behind and before.
  for (int layer = 0; layer < static_cast<int>(LayerKind::count); ++layer) {
    for (int position = 0; position < static_cast<int>(Position::count); ++position) {
      INFO("layer ", layer, ", position ", position);
      CHECK(folded_by[concat(layer, position)] > 20);
    }
  }
}

}  // namespace
}  // namespace pleat
