// Arithmetic, comparison and logic, element by element, with NumPy's broadcasting.

#include "formats/onnx/operators.hpp"

namespace pleat::formats {
namespace {

using ops::BinaryKind;
using ops::UnaryKind;

template <UnaryKind kind>
std::vector<ValueId> unary(NodeImport& node) {
  node.ignore("consumed_inputs");
  return {node.add(ops::Unary{kind}, {node.in(0)})};
}

ValueId binary(NodeImport& node, BinaryKind kind, ValueId a, ValueId b) {
  const ValueType &x = node.type_of(a), &y = node.type_of(b);
  if (kind == BinaryKind::add && x.dtype == DType::f32 && x == y) return node.add(ops::Add{}, {a, b});
  return node.add(ops::Binary{kind}, {a, b});
}

/// b with as many ones behind as the broadcasting of the operator sets before 7 wants: b's dimensions are a's
/// from `axis` on.
ValueId old_operand(NodeImport& node) {
  const bool broadcast = node.flag("broadcast", false);
  const Shape a = node.shape(0), b = node.shape(1);
  const int64_t axis = node.axis(node.integer("axis", a.rank() - b.rank()), a.rank(), 1);
  if (!broadcast && a != b) node.fail("needs two inputs of one shape, got ", a.str(), " and ", b.str());
  if (!b.is_static() || axis + b.rank() >= a.rank()) return node.in(1);
  std::vector<int64_t> shape = b.dims();
  shape.resize(static_cast<size_t>(a.rank() - axis), 1);
  return node.add(ops::Reshape{}, {node.in(1), node.add_integers(shape)});
}

template <BinaryKind kind>
std::vector<ValueId> binary(NodeImport& node) {
  node.ignore("consumed_inputs");
  const ValueId b = node.opset() < 7 ? old_operand(node) : node.in(1);
  return {binary(node, kind, node.in(0), b)};
}

std::vector<ValueId> mod(NodeImport& node) {
  const bool as_c = node.flag("fmod", false);
  if (!as_c && node.dtype(0) == DType::f32) node.fail("attribute fmod must be 1 for FLOAT");
  return {binary(node, as_c ? BinaryKind::fmod : BinaryKind::mod, node.in(0), node.in(1))};
}

ValueId chain(NodeImport& node, BinaryKind kind) {
  node.ignore("consumed_inputs");
  if (node.input_count() == 0) node.fail("needs at least one input");
  ValueId all = node.in(0);
  for (int i = 1; i < node.input_count(); ++i) all = binary(node, kind, all, node.in(i));
  return all;
}

template <BinaryKind kind>
std::vector<ValueId> chain(NodeImport& node) {
  return {chain(node, kind)};
}

std::vector<ValueId> mean(NodeImport& node) {
  node.need_floats();
  const ValueId sum = chain(node, BinaryKind::add);
  return {binary(node, BinaryKind::mul, sum, node.add_number(1.0 / node.input_count()))};
}

std::vector<ValueId> where(NodeImport& node) {
  return {node.add(ops::Where{}, {node.in(0), node.in(1), node.in(2)})};
}

// An infinity of a sign that does not count is above (or below) zero.
std::vector<ValueId> is_inf(NodeImport& node) {
  const bool negative = node.flag("detect_negative", true), positive = node.flag("detect_positive", true);
  node.need_floats();
  ValueId found = node.add(ops::Unary{UnaryKind::is_inf}, {node.in(0)});
  const auto keep = [&](BinaryKind side) {
    const ValueId on_side = binary(node, side, node.in(0), node.add_number(0));
    found = binary(node, BinaryKind::logical_and, found, on_side);
  };
  if (!negative) keep(BinaryKind::greater);
  if (!positive) keep(BinaryKind::less);
  return {found};
}

}  // namespace

std::span<const Operator> elementwise_operators() {
  static constexpr Operator kOperators[] = {
      {"Abs", 1, kLastOpset, unary<UnaryKind::abs>},
      {"Ceil", 1, kLastOpset, unary<UnaryKind::ceil>},
      {"Floor", 1, kLastOpset, unary<UnaryKind::floor>},
      {"Round", 11, kLastOpset, unary<UnaryKind::round>},
      {"Sign", 9, kLastOpset, unary<UnaryKind::sign>},
      {"Neg", 1, kLastOpset, unary<UnaryKind::neg>},
      {"Reciprocal", 1, kLastOpset, unary<UnaryKind::reciprocal>},
      {"Sqrt", 1, kLastOpset, unary<UnaryKind::sqrt>},
      {"Exp", 1, kLastOpset, unary<UnaryKind::exp>},
      {"Log", 1, kLastOpset, unary<UnaryKind::log>},
      {"Erf", 9, kLastOpset, unary<UnaryKind::erf>},
      {"Sin", 7, kLastOpset, unary<UnaryKind::sin>},
      {"Cos", 7, kLastOpset, unary<UnaryKind::cos>},
      {"Not", 1, kLastOpset, unary<UnaryKind::logical_not>},
      {"IsNaN", 9, kLastOpset, unary<UnaryKind::is_nan>},
      {"IsInf", 10, kLastOpset, is_inf},
      {"Add", 1, kLastOpset, binary<BinaryKind::add>},
      {"Sub", 1, kLastOpset, binary<BinaryKind::sub>},
      {"Mul", 1, kLastOpset, binary<BinaryKind::mul>},
      {"Div", 1, kLastOpset, binary<BinaryKind::div>},
      {"Pow", 1, kLastOpset, binary<BinaryKind::pow>},
      {"Equal", 1, kLastOpset, binary<BinaryKind::equal>},
      {"Less", 1, kLastOpset, binary<BinaryKind::less>},
      {"LessOrEqual", 12, kLastOpset, binary<BinaryKind::less_equal>},
      {"Greater", 1, kLastOpset, binary<BinaryKind::greater>},
      {"GreaterOrEqual", 12, kLastOpset, binary<BinaryKind::greater_equal>},
      {"And", 1, kLastOpset, binary<BinaryKind::logical_and>},
      {"Or", 1, kLastOpset, binary<BinaryKind::logical_or>},
      {"Xor", 1, kLastOpset, binary<BinaryKind::logical_xor>},
      {"Mod", 10, kLastOpset, mod},
      {"Sum", 1, kLastOpset, chain<BinaryKind::add>},
      {"Max", 1, kLastOpset, chain<BinaryKind::max>},
      {"Min", 1, kLastOpset, chain<BinaryKind::min>},
      {"Mean", 1, kLastOpset, mean},
      {"Where", 9, kLastOpset, where}};
  return kOperators;
}

}  // namespace pleat::formats
