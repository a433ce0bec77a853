// Ops that work on each element.

#include <cmath>
#include <numbers>

#include "formats/onnx/tensor.hpp"
#include "formats/onnx/write_ops.hpp"

namespace pleat::formats {
namespace {

using ops::BinaryKind;
using ops::UnaryKind;

// Those with an ONNX operator of the same meaning and no attributes; null for others.
const char* plain_operator(UnaryKind kind) {
  switch (kind) {
    case UnaryKind::abs:
      return "Abs";
    case UnaryKind::ceil:
      return "Ceil";
    case UnaryKind::floor:
      return "Floor";
    case UnaryKind::round:
      return "Round";
    case UnaryKind::sign:
      return "Sign";
    case UnaryKind::neg:
      return "Neg";
    case UnaryKind::reciprocal:
      return "Reciprocal";
    case UnaryKind::sqrt:
      return "Sqrt";
    case UnaryKind::exp:
      return "Exp";
    case UnaryKind::log:
      return "Log";
    case UnaryKind::erf:
      return "Erf";
    case UnaryKind::sin:
      return "Sin";
    case UnaryKind::cos:
      return "Cos";
    case UnaryKind::logical_not:
      return "Not";
    case UnaryKind::is_nan:
      return "IsNaN";
    case UnaryKind::is_inf:
      return "IsInf";
    case UnaryKind::softplus:
      return "Softplus";
    case UnaryKind::softsign:
      return "Softsign";
    default:
      return nullptr;
  }
}

const char* plain_operator(BinaryKind kind) {
  switch (kind) {
    case BinaryKind::add:
      return "Add";
    case BinaryKind::sub:
      return "Sub";
    case BinaryKind::mul:
      return "Mul";
    case BinaryKind::div:
      return "Div";
    case BinaryKind::pow:
      return "Pow";
    case BinaryKind::min:
      return "Min";
    case BinaryKind::max:
      return "Max";
    case BinaryKind::equal:
      return "Equal";
    case BinaryKind::less:
      return "Less";
    case BinaryKind::less_equal:
      return "LessOrEqual";
    case BinaryKind::greater:
      return "Greater";
    case BinaryKind::greater_equal:
      return "GreaterOrEqual";
    case BinaryKind::logical_and:
      return "And";
    case BinaryKind::logical_or:
      return "Or";
    case BinaryKind::logical_xor:
      return "Xor";
    case BinaryKind::mod:
    case BinaryKind::fmod:
    case BinaryKind::prelu:
      break;
  }
  return nullptr;
}

bool is_float(DType dtype) {
  return dtype == DType::f32 || dtype == DType::f64;
}

// Of the divisor's sign. ONNX has it for whole numbers; of floats r = fmod(a, b) is moved by b where r and b
// differ in sign.
std::string floored_mod(NodeWriter& node, const std::string& a, const std::string& b) {
  if (!is_float(node.type(0).dtype)) return node.add("Mod", {a, b});
  const std::string r = node.add("Mod", {a, b}, {{"fmod", 1}}), zero = node.number(0);
  const std::string differ =
      node.add("Less", {node.add("Mul", {node.add("Sign", {r}), node.add("Sign", {b})}), zero});
  return node.add("Where", {differ, node.add("Add", {r, b}), r});
}

// PRelu's slope is broadcast to a's shape, never the other way.
std::string prelu(NodeWriter& node, const std::string& a, const std::string& slope) {
  if (node.out_shape().rank() == node.shape(0).rank() && node.out_shape() == node.shape(0)) {
    return node.add("PRelu", {a, slope});
  }
  return node.add("Where", {node.add("Less", {a, node.number(0)}), node.add("Mul", {a, slope}), a});
}

std::string times_sigmoid(NodeWriter& node, const std::string& x, const std::string& inner) {
  return node.add("Mul", {x, node.add("Sigmoid", {inner})});
}

// x * (1 + erf(x / sqrt(2))) / 2, in the form that PyTorch writes and other engines recognize.
std::string gelu(NodeWriter& node, const std::string& x) {
  const std::string erf = node.add("Erf", {node.add("Div", {x, node.number(std::numbers::sqrt2)})});
  const std::string product = node.add("Mul", {x, node.add("Add", {erf, node.number(1)})});
  return node.add("Mul", {product, node.number(0.5)});
}

std::string gelu_tanh(NodeWriter& node, const std::string& x) {
  const std::string cube = node.add("Mul", {node.add("Mul", {x, x}), x});
  const std::string sum = node.add("Add", {x, node.add("Mul", {cube, node.number(0.044715)})});
  const double factor = std::sqrt(2 / std::numbers::pi);
  const std::string tanh = node.add("Tanh", {node.add("Mul", {sum, node.number(factor)})});
  const std::string product = node.add("Mul", {x, node.add("Add", {tanh, node.number(1)})});
  return node.add("Mul", {product, node.number(0.5)});
}

std::string clip(NodeWriter& node, const std::string& x, double low, double high) {
  const auto bound = [&](double value) { return std::isfinite(value) ? node.number(value) : std::string(); };
  return node.add("Clip", {x, bound(low), bound(high)});
}

}  // namespace

std::string activated(NodeWriter& node, const std::string& y, Activation activation, double alpha) {
  switch (activation) {
    case Activation::none:
      return y;
    case Activation::relu:
      return node.add("Relu", {y});
    case Activation::relu6:
      return clip(node, y, 0, 6);
    case Activation::leaky_relu:
      return node.add("LeakyRelu", {y}, {{"alpha", alpha}});
    case Activation::sigmoid:
      return node.add("Sigmoid", {y});
    case Activation::silu:
      return times_sigmoid(node, y, y);
    case Activation::hardswish:
      if (node.opset() >= 14) return node.add("HardSwish", {y});
      return node.add("Mul", {y, node.add("HardSigmoid", {y}, {{"alpha", 1.0 / 6}, {"beta", 0.5}})});
    case Activation::tanh:
      return node.add("Tanh", {y});
  }
  return y;
}

std::string with_epilogue(NodeWriter& node, std::string y, size_t residual, Activation activation,
                          double alpha) {
  if (node.has(residual)) y = node.add("Add", {y, node.in(residual)});
  return activated(node, y, activation, alpha);
}

Names write(NodeWriter& node, const ops::Activate& op) {
  return {activated(node, node.in(0), op.activation, op.alpha)};
}

Names write(NodeWriter& node, const ops::Unary& op) {
  const std::string x = node.in(0);
  if (const char* name = plain_operator(op.kind)) return {node.add(name, {x})};
  switch (op.kind) {
    case UnaryKind::clip:
      return {clip(node, x, op.alpha, op.beta)};
    case UnaryKind::hard_sigmoid:
      return {node.add("HardSigmoid", {x}, {{"alpha", op.alpha}, {"beta", op.beta}})};
    case UnaryKind::elu:
      return {node.add("Elu", {x}, {{"alpha", op.alpha}})};
    case UnaryKind::celu:
      return {node.add("Celu", {x}, {{"alpha", op.alpha}})};
    case UnaryKind::selu:
      return {node.add("Selu", {x}, {{"alpha", op.alpha}, {"gamma", op.beta}})};
    case UnaryKind::mish:
      return {node.add("Mul", {x, node.add("Tanh", {node.add("Softplus", {x})})})};
    case UnaryKind::gelu:
      return {gelu(node, x)};
    case UnaryKind::gelu_tanh:
      return {gelu_tanh(node, x)};
    case UnaryKind::swish:
      return {times_sigmoid(node, x, op.alpha == 1 ? x : node.add("Mul", {x, node.number(op.alpha)}))};
    case UnaryKind::thresholded_relu:
      return {node.add("ThresholdedRelu", {x}, {{"alpha", op.alpha}})};
    default:
      fail("has no ONNX form");
  }
}

Names write(NodeWriter& node, const ops::Add&) {
  return {node.add("Add", {node.in(0), node.in(1)})};
}

Names write(NodeWriter& node, const ops::Binary& op) {
  const std::string a = node.in(0), b = node.in(1);
  if (const char* name = plain_operator(op.kind)) return {node.add(name, {a, b})};
  if (op.kind == BinaryKind::prelu) return {prelu(node, a, b)};
  if (op.kind == BinaryKind::mod) return {floored_mod(node, a, b)};
  return {node.add("Mod", {a, b}, {{"fmod", 1}})};
}

Names write(NodeWriter& node, const ops::Where&) {
  return {node.add("Where", {node.in(0), node.in(1), node.in(2)})};
}

Names write(NodeWriter& node, const ops::Cast& op) {
  return {node.add("Cast", {node.in(0)}, {{"to", dtype_to_onnx(op.to)}})};
}

}  // namespace pleat::formats
