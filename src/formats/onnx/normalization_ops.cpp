// Normalizations. ONNX's momentum is the share of the old running statistic, ours that of the batch; its
// variances are those of the population.

#include "formats/onnx/operators.hpp"

namespace pleat::formats {
namespace {

using ops::BinaryKind;

ValueId binary(NodeImport& node, BinaryKind kind, ValueId a, ValueId b) {
  return node.add(ops::Binary{kind}, {a, b});
}

struct Moments {
  ValueId mean, var;
};

// The mean over some axes, and that of the squared distances from it.
Moments moments_over(NodeImport& node, ValueId x, const std::vector<int64_t>& over, bool keep_dims) {
  const ValueId axes = node.add_integers(over);
  const ValueId mean = node.add(ops::Reduce{}, {x, axes});
  const ValueId away = binary(node, BinaryKind::sub, x, mean);
  const ops::Reduce rule{.keep_dims = keep_dims};
  const ValueId var = node.add(rule, {binary(node, BinaryKind::mul, away, away), axes});
  return {keep_dims ? mean : node.add(rule, {x, axes}), var};
}

// Whether the operator set's way of asking for the batch's own statistics is there.
bool trains(NodeImport& node) {
  if (node.opset() >= 14) return node.flag("training_mode", false);
  // Before 14 the further outputs ask for it.
  bool outputs = false;
  for (int i = 1; i < node.output_count(); ++i) outputs |= !node.output_name(i).empty();
  return node.opset() < 7 ? !node.flag("is_test", false) : outputs;
}

bool is_state(NodeImport& node, ValueId value) {
  return node.importer().graph().value(value).kind == ValueKind::state;
}

/// What a run in training mode gives beside y: the running statistics moved by the batch's.
std::vector<ValueId> moved_statistics(NodeImport& node, double momentum) {
  std::vector<int64_t> over = {0};
  for (int i = 2; i < node.shape(0).rank(); ++i) over.push_back(i);
  const Moments batch = moments_over(node, node.in(0), over, false);
  const auto moved = [&](int input, ValueId value) {
    const ValueId old = binary(node, BinaryKind::mul, node.in(input), node.add_number(momentum));
    return binary(node, BinaryKind::add, old,
                  binary(node, BinaryKind::mul, value, node.add_number(1 - momentum)));
  };
  return {moved(3, batch.mean), moved(4, batch.var)};
}

std::vector<ValueId> batch_norm(NodeImport& node) {
  node.ignore("consumed_inputs");
  node.need_floats();
  if (node.opset() < 9 && !node.flag("spatial", true)) {
    node.fail("attribute spatial 0 (statistics for each place of a channel) is not supported");
  }
  const bool batch_statistics = trains(node);
  const double momentum = node.number("momentum", 0.9);
  const int rank = node.shape(0).rank();
  ops::BatchNorm rule{.spatial_dims = rank <= 3 ? 1 : rank - 2,
                      .eps = node.number("epsilon", 1e-5),
                      .momentum = 1 - momentum,
                      .batch_statistics = batch_statistics};
  if (rank < 2 || rank > 5)
    node.fail("needs an input (N, C) with at most 3 spatial dimensions, got ", node.shape(0).str());
  if (!(rule.eps >= 0)) node.fail("epsilon must be at least 0, not ", rule.eps);
  if (!(momentum >= 0 && momentum <= 1)) node.fail("momentum must be in [0, 1], not ", momentum);
  for (int i = 1; i <= 4; ++i) {
    if (!node.has(i)) node.fail("its input ", i, " is missing");
  }
  std::vector<ValueId> inputs = {node.in(0), node.parameter(1), node.parameter(2), kAbsent, kAbsent, kAbsent,
                                 kAbsent};
  if (!batch_statistics) {
    inputs[3] = node.statistic(3);
    inputs[4] = node.statistic(4);
    // What is given at each run cannot be moved by training.
    rule.frozen = !is_state(node, inputs[3]) || !is_state(node, inputs[4]);
    return {node.add(rule, inputs)};
  }
  std::vector<ValueId> outputs = {node.add(rule, inputs)};
  if (node.wants(1) || node.wants(2)) {
    for (const ValueId moved : moved_statistics(node, momentum)) outputs.push_back(moved);
  }
  return outputs;
}

// One number for each of x's channels, so that it is broadcast along the spatial dimensions.
ValueId along_channels(NodeImport& node, ValueId vector, int rank) {
  std::vector<int64_t> shape(static_cast<size_t>(rank) - 1, 1);
  shape[0] = -1;
  return node.add(ops::Reshape{}, {vector, node.add_integers(shape)});
}

// normalized * scale + shift, each a number a channel
ValueId scale_channels(NodeImport& node, ValueId normalized, ValueId scale, ValueId shift) {
  const int rank = node.shape_of(normalized).rank();
  const ValueId scaled = binary(node, BinaryKind::mul, normalized, along_channels(node, scale, rank));
  return binary(node, BinaryKind::add, scaled, along_channels(node, shift, rank));
}

void need_channels(NodeImport& node, int least_rank) {
  node.need_floats();
  if (node.shape(0).rank() < least_rank) {
    node.fail("needs an input (N, C, ...) of rank ", least_rank, " at least, got ", node.shape(0).str());
  }
  for (int i = 0; i < 3; ++i) {
    if (!node.has(i)) node.fail("its input ", i, " is missing");
  }
  for (int i = 1; i < 3; ++i) {
    if (node.shape_of(node.parameter(i)).rank() != 1) node.fail("its input ", i, " must be a vector");
  }
}

std::vector<ValueId> instance_norm(NodeImport& node) {
  node.ignore("consumed_inputs");
  need_channels(node, 3);
  const ValueId normalized =
      node.add(ops::LayerNorm{2, node.number("epsilon", 1e-5)}, {node.in(0), kAbsent, kAbsent});
  return {scale_channels(node, normalized, node.parameter(1), node.parameter(2))};
}

// Before 21 scale and shift were a number a group, from then on a number a channel.
std::vector<ValueId> group_norm(NodeImport& node) {
  need_channels(node, 2);
  node.ignore("stash_type");
  const int64_t groups = node.integer("num_groups"), channels = node.shape(0)[1];
  if (groups < 1 || channels == kDynamic || channels % groups != 0) {
    node.fail("attribute num_groups ", groups, " must divide the channels of ", node.shape(0).str());
  }
  const ValueId x = node.in(0), scale = node.parameter(1), shift = node.parameter(2);
  const ValueId grouped = node.add(ops::Reshape{}, {x, node.add_integers({0, groups, -1})});
  ValueId y = node.add(ops::LayerNorm{2, node.number("epsilon", 1e-5)}, {grouped, kAbsent, kAbsent});
  const bool by_group = node.opset() < 21;
  if (by_group) y = scale_channels(node, y, scale, shift);
  y = node.add(ops::ReshapeLike{}, {y, x});
  return {by_group ? y : scale_channels(node, y, scale, shift)};
}

/// Whether a LayerNorm takes the vector as its weight: it has the shape that is normalized.
bool fits(NodeImport& node, ValueId vector, const Shape& x, int64_t axis) {
  return vector == kAbsent || node.shape_of(vector) == Shape(std::vector<int64_t>(x.begin() + axis, x.end()));
}

std::vector<ValueId> layer_norm(NodeImport& node) {
  node.need_floats();
  if (node.integer("stash_type", 1) != 1) node.fail("attribute stash_type must be 1 (FLOAT)");
  const Shape x = node.shape(0);
  const int64_t axis = node.axis(node.integer("axis", -1), x.rank());
  const double eps = node.number("epsilon", 1e-5);
  const ValueId weight = node.parameter(1), bias = node.parameter(2);
  if (weight == kAbsent) node.fail("its scale is missing");
  const bool direct = fits(node, weight, x, axis) && fits(node, bias, x, axis);
  ValueId y =
      node.add(ops::LayerNorm{axis, eps}, {node.in(0), direct ? weight : kAbsent, direct ? bias : kAbsent});
  if (!direct) {
    y = binary(node, BinaryKind::mul, y, weight);
    if (bias != kAbsent) y = binary(node, BinaryKind::add, y, bias);
  }
  if (!node.wants(1) && !node.wants(2)) return {y};
  std::vector<int64_t> over;
  for (int64_t i = axis; i < x.rank(); ++i) over.push_back(i);
  const Moments moments = moments_over(node, node.in(0), over, true);
  const ValueId shifted = binary(node, BinaryKind::add, moments.var, node.add_number(eps));
  const ValueId deviation = node.add(ops::Unary{ops::UnaryKind::sqrt}, {shifted});
  return {y, moments.mean, node.add(ops::Unary{ops::UnaryKind::reciprocal}, {deviation})};
}

std::vector<ValueId> local_response_norm(NodeImport& node) {
  node.need_floats();
  return {node.add(ops::LocalResponseNorm{.size = node.integer("size"),
                                          .alpha = node.number("alpha", 1e-4),
                                          .beta = node.number("beta", 0.75),
                                          .bias = node.number("bias", 1)},
                   {node.in(0)})};
}

}  // namespace

std::span<const Operator> normalization_operators() {
  static constexpr Operator kOperators[] = {{"BatchNormalization", 1, kLastOpset, batch_norm},
                                            {"InstanceNormalization", 1, kLastOpset, instance_norm},
                                            {"GroupNormalization", 18, kLastOpset, group_norm},
                                            {"LayerNormalization", 17, kLastOpset, layer_norm},
                                            {"LRN", 1, kLastOpset, local_response_norm}};
  return kOperators;
}

}  // namespace pleat::formats
