// Functions of one variable that networks put between their layers.

#include <limits>

#include "formats/onnx/operators.hpp"

namespace pleat::formats {
namespace {

using ops::UnaryKind;

template <Activation kind>
std::vector<ValueId> activate(NodeImport& node) {
  node.ignore("consumed_inputs");
  node.need_floats();
  return {node.add(ops::Activate{.activation = kind}, {node.in(0)})};
}

std::vector<ValueId> leaky_relu(NodeImport& node) {
  node.need_floats();
  return {node.add(ops::Activate{Activation::leaky_relu, node.number("alpha", 0.01)}, {node.in(0)})};
}

std::vector<ValueId> unary(NodeImport& node, UnaryKind kind, double alpha = 0, double beta = 0) {
  node.need_floats();
  return {node.add(ops::Unary{kind, alpha, beta}, {node.in(0)})};
}

template <UnaryKind kind>
std::vector<ValueId> plain(NodeImport& node) {
  return unary(node, kind);
}

std::vector<ValueId> hard_sigmoid(NodeImport& node) {
  return unary(node, UnaryKind::hard_sigmoid, node.number("alpha", 0.2), node.number("beta", 0.5));
}

std::vector<ValueId> elu(NodeImport& node) {
  return unary(node, UnaryKind::elu, node.number("alpha", 1));
}

std::vector<ValueId> celu(NodeImport& node) {
  return unary(node, UnaryKind::celu, node.number("alpha", 1));
}

std::vector<ValueId> selu(NodeImport& node) {
  const bool rounded = node.opset() < 6;
  return unary(node, UnaryKind::selu, node.number("alpha", rounded ? 1.6732 : 1.67326319217681884765625),
               node.number("gamma", rounded ? 1.0507 : 1.05070102214813232421875));
}

std::vector<ValueId> gelu(NodeImport& node) {
  static constexpr std::pair<std::string_view, UnaryKind> kForms[] = {{"none", UnaryKind::gelu},
                                                                      {"tanh", UnaryKind::gelu_tanh}};
  return unary(node, node.choice("approximate", "none", kForms));
}

std::vector<ValueId> swish(NodeImport& node) {
  return unary(node, UnaryKind::swish, node.number("alpha", 1));
}

std::vector<ValueId> thresholded_relu(NodeImport& node) {
  return unary(node, UnaryKind::thresholded_relu, node.number("alpha", 1));
}

std::vector<ValueId> prelu(NodeImport& node) {
  node.need_floats();
  ValueId slope = node.parameter(1);
  if (slope == kAbsent) node.fail("its slope is missing");
  const Shape x = node.shape(0), s = node.shape_of(slope);
  // Before 7 a slope of one dimension went along the channels.
  if (node.opset() < 7 && s.rank() == 1 && x.rank() > 2) {
    std::vector<int64_t> shape(static_cast<size_t>(x.rank()) - 1, 1);
    shape[0] = s[0];
    slope = node.add(ops::Reshape{}, {slope, node.add_integers(shape)});
  }
  return {node.add(ops::Binary{ops::BinaryKind::prelu}, {node.in(0), slope})};
}

/// A bound of Clip: absent, a known number, or a value.
struct Bound {
  std::optional<double> number;
  ValueId value = kAbsent;
};

Bound read_bound(NodeImport& node, int input, const char* attribute, double none) {
  if (node.opset() < 11) return {node.number(attribute, none), kAbsent};
  if (!node.has(input)) return {none, kAbsent};
  if (node.known(input)) return {node.constant_number(input, attribute), node.in(input)};
  return {std::nullopt, node.in(input)};
}

// min(max(x, low), high)
std::vector<ValueId> clip(NodeImport& node) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const Bound low = read_bound(node, 1, "min", -kInfinity), high = read_bound(node, 2, "max", kInfinity);
  ValueId x = node.in(0);
  if (node.dtype(0) == DType::f32 && low.number && high.number) {
    if (*low.number == 0 && *high.number == kInfinity) return {node.add(ops::Activate{}, {x})};
    if (*low.number == 0 && *high.number == 6) return {node.add(ops::Activate{Activation::relu6}, {x})};
    return {node.add(ops::Unary{UnaryKind::clip, *low.number, *high.number}, {x})};
  }
  if (low.value != kAbsent) x = node.add(ops::Binary{ops::BinaryKind::max}, {x, low.value});
  if (high.value != kAbsent) x = node.add(ops::Binary{ops::BinaryKind::min}, {x, high.value});
  return {x};
}

// Before 13 the dimensions from `axis` on counted as one.
template <bool log>
std::vector<ValueId> softmax(NodeImport& node) {
  node.need_floats();
  const int rank = node.shape(0).rank();
  const bool joins = node.opset() < 13;
  const int64_t axis = node.axis(node.integer("axis", joins ? 1 : -1), rank);
  if (!joins || axis == rank - 1) return {node.add(ops::Softmax{log, axis}, {node.in(0)})};
  const ValueId matrix = node.add(ops::Flatten{axis, true}, {node.in(0)});
  return {node.add(ops::ReshapeLike{}, {node.add(ops::Softmax{log, 1}, {matrix}), node.in(0)})};
}

}  // namespace

std::span<const Operator> activation_operators() {
  static constexpr Operator kOperators[] = {{"Relu", 1, kLastOpset, activate<Activation::relu>},
                                            {"Sigmoid", 1, kLastOpset, activate<Activation::sigmoid>},
                                            {"Tanh", 1, kLastOpset, activate<Activation::tanh>},
                                            {"HardSwish", 14, kLastOpset, activate<Activation::hardswish>},
                                            {"LeakyRelu", 1, kLastOpset, leaky_relu},
                                            {"PRelu", 1, kLastOpset, prelu},
                                            {"Clip", 1, kLastOpset, clip},
                                            {"HardSigmoid", 1, kLastOpset, hard_sigmoid},
                                            {"Elu", 1, kLastOpset, elu},
                                            {"Celu", 12, kLastOpset, celu},
                                            {"Selu", 1, kLastOpset, selu},
                                            {"Gelu", 20, kLastOpset, gelu},
                                            {"Swish", 24, kLastOpset, swish},
                                            {"Mish", 18, kLastOpset, plain<UnaryKind::mish>},
                                            {"Softplus", 1, kLastOpset, plain<UnaryKind::softplus>},
                                            {"Softsign", 1, kLastOpset, plain<UnaryKind::softsign>},
                                            {"ThresholdedRelu", 10, kLastOpset, thresholded_relu},
                                            {"Softmax", 1, kLastOpset, softmax<false>},
                                            {"LogSoftmax", 1, kLastOpset, softmax<true>}};
  return kOperators;
}

}  // namespace pleat::formats
