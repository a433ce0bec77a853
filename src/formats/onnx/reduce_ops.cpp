// Reductions over axes, which were an attribute before they became an input.

#include "formats/onnx/operators.hpp"

namespace pleat::formats {
namespace {

using ops::ReduceKind;

/// The axes of any reduction: an attribute before the operator set `since`, then an input. kAbsent for none.
ValueId read_axes(NodeImport& node, int since) {
  if (node.opset() >= since) return node.in_if(1);
  const auto axes = node.optional_integers("axes");
  return axes ? node.add_integers(*axes) : kAbsent;
}

template <ReduceKind kind, int since>
std::vector<ValueId> reduce(NodeImport& node) {
  const ops::Reduce rule{
      .kind = kind,
      .keep_dims = node.flag("keepdims", true),
      .keep_all_if_empty = node.opset() >= since && node.flag("noop_with_empty_axes", false)};
  return {node.add(rule, {node.in(0), read_axes(node, since)})};
}

template <bool smallest>
std::vector<ValueId> arg_reduce(NodeImport& node) {
  const ops::ArgReduce rule{.smallest = smallest,
                            .dim = node.axis(node.integer("axis", 0), node.shape(0).rank()),
                            .keep_dims = node.flag("keepdims", true),
                            .last = node.flag("select_last_index", false)};
  return {node.add(rule, {node.in(0)})};
}

}  // namespace

std::span<const Operator> reduce_operators() {
  static constexpr Operator kOperators[] = {
      {"ReduceMean", 1, kLastOpset, reduce<ReduceKind::mean, 18>},
      {"ReduceSum", 1, kLastOpset, reduce<ReduceKind::sum, 13>},
      {"ReduceMax", 1, kLastOpset, reduce<ReduceKind::max, 18>},
      {"ReduceMin", 1, kLastOpset, reduce<ReduceKind::min, 18>},
      {"ReduceProd", 1, kLastOpset, reduce<ReduceKind::prod, 18>},
      {"ReduceL1", 1, kLastOpset, reduce<ReduceKind::l1, 18>},
      {"ReduceL2", 1, kLastOpset, reduce<ReduceKind::l2, 18>},
      {"ReduceLogSum", 1, kLastOpset, reduce<ReduceKind::log_sum, 18>},
      {"ReduceLogSumExp", 1, kLastOpset, reduce<ReduceKind::log_sum_exp, 18>},
      {"ReduceSumSquare", 1, kLastOpset, reduce<ReduceKind::sum_square, 18>},
      {"ArgMax", 1, kLastOpset, arg_reduce<false>},
      {"ArgMin", 1, kLastOpset, arg_reduce<true>}};
  return kOperators;
}

}  // namespace pleat::formats
