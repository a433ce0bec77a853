// Products of matrices. One with a known matrix on the right is a Linear, whose weight is stored (out, in).

#include "formats/onnx/operators.hpp"

namespace pleat::formats {
namespace {

// factor * matrix, transposed if told so; in double, rounded once.
Tensor scaled(const Tensor& matrix, double factor, bool transposed) {
  const int64_t rows = matrix.shape()[0], columns = matrix.shape()[1];
  Tensor result(transposed ? Shape{columns, rows} : matrix.shape());
  const float* in = matrix.data<float>();
  float* out = result.data<float>();
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      const double value = factor * static_cast<double>(in[i * columns + j]);
      out[transposed ? j * rows + i : i * columns + j] = static_cast<float>(value);
    }
  }
  return result;
}

/// The known matrix of input 1 as a Linear's weight, factor times it; kAbsent where it is none.
ValueId linear_weight(NodeImport& node, double factor, bool stored_transposed) {
  const std::optional<Tensor> matrix = node.known(1);
  if (!matrix || matrix->shape().rank() != 2 || matrix->dtype() != DType::f32 || matrix->numel() == 0) {
    return kAbsent;
  }
  if (factor == 1 && stored_transposed) return node.parameter(1);
  return node.derived_parameter(1, concat("linear ", factor, stored_transposed),
                                [&] { return scaled(*matrix, factor, !stored_transposed); });
}

// beta * c as a Linear's bias of `out` numbers; kAbsent where c does not fit.
ValueId linear_bias(NodeImport& node, double beta, int64_t out) {
  const std::optional<Tensor> c = node.known(2);
  if (!c || c->dtype() != DType::f32) return kAbsent;
  const bool one = c->numel() == 1;
  if (c->shape().rank() > 2 || (!one && (c->numel() != out || c->shape()[c->shape().rank() - 1] != out))) {
    return kAbsent;
  }
  if (beta == 1 && c->shape() == Shape{out}) return node.parameter(2);
  return node.derived_parameter(2, concat("bias ", beta, " of ", out), [&] {
    Tensor bias({out});
    for (int64_t i = 0; i < out; ++i) {
      bias.data<float>()[i] =
          static_cast<float>(beta * static_cast<double>(std::as_const(*c).data<float>()[one ? 0 : i]));
    }
    return bias;
  });
}

ValueId scale(NodeImport& node, ValueId x, double factor) {
  return factor == 1 ? x : node.add(ops::Binary{ops::BinaryKind::mul}, {x, node.add_number(factor)});
}

// alpha * a' b' + beta * c, where a' and b' may be transposed
std::vector<ValueId> gemm(NodeImport& node) {
  node.need_floats();
  const double alpha = node.number("alpha", 1), beta = node.number("beta", 1);
  const bool transposes_a = node.flag("transA", false), transposes_b = node.flag("transB", false);
  node.ignore("broadcast");
  if (node.shape(0).rank() != 2) node.fail("needs matrices, got ", node.shape(0).str());
  const ValueId a = transposes_a ? node.add(ops::Transpose{{1, 0}}, {node.in(0)}) : node.in(0);
  const ValueId weight = linear_weight(node, alpha, transposes_b);
  const bool adds = node.has(2) && beta != 0;
  ValueId y = kAbsent;
  if (weight != kAbsent) {
    const ValueId bias = adds ? linear_bias(node, beta, node.shape_of(weight)[0]) : kAbsent;
    y = node.add(ops::Linear{}, {a, weight, bias, kAbsent});
    if (bias != kAbsent) return {y};
  } else {
    if (node.shape(1).rank() != 2) node.fail("needs matrices, got ", node.shape(1).str());
    const ValueId b = transposes_b ? node.add(ops::Transpose{{1, 0}}, {node.in(1)}) : node.in(1);
    y = scale(node, node.add(ops::MatMul{}, {a, b}), alpha);
  }
  if (!adds) return {y};
  return {node.add(ops::Binary{ops::BinaryKind::add}, {y, scale(node, node.parameter(2), beta)})};
}

std::vector<ValueId> mat_mul(NodeImport& node) {
  node.need_floats();
  const ValueId weight = node.shape(0).rank() >= 2 ? linear_weight(node, 1, false) : kAbsent;
  if (weight != kAbsent) return {node.add(ops::Linear{}, {node.in(0), weight, kAbsent, kAbsent})};
  return {node.add(ops::MatMul{}, {node.in(0), node.in(1)})};
}

std::vector<ValueId> einsum(NodeImport& node) {
  node.need_floats();
  std::vector<ValueId> inputs;
  for (int i = 0; i < node.input_count(); ++i) inputs.push_back(node.in(i));
  if (inputs.empty()) node.fail("needs at least one input");
  return {node.add(ops::Einsum{node.text("equation", "")}, inputs)};
}

}  // namespace

std::span<const Operator> matrix_operators() {
  static constexpr Operator kOperators[] = {
      {"Gemm", 1, kLastOpset, gemm}, {"MatMul", 1, kLastOpset, mat_mul}, {"Einsum", 12, kLastOpset, einsum}};
  return kOperators;
}

}  // namespace pleat::formats
