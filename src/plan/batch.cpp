#include "plan/batch.hpp"

#include <algorithm>

#include "graph/edit.hpp"
#include "ops/known.hpp"

namespace pleat {
namespace {

// Which values have the batch as their first dimension; the others are the same for every item.
class Batch {
 public:
  explicit Batch(const GraphData& graph) : graph_(graph), has_(graph.values.size()) {}

  bool independent() {
    for (const ValueId input : graph_.inputs) {
      if (!open(input)) return false;
      has_[static_cast<size_t>(input)] = true;
    }
    for (const Node& node : graph_.nodes) {
      if (definition(node.attributes).mutated != nullptr) return false;
      if (!std::any_of(node.inputs.begin(), node.inputs.end(), [&](ValueId v) { return has(v); })) continue;
      const bool kept = std::visit([&](const auto& op) { return keeps(node, op); },
                                   static_cast<const ops::AnyOp&>(node.attributes));
      if (!kept) return false;
      for (const ValueId output : node.outputs) {
        if (!open(output)) return false;
        has_[static_cast<size_t>(output)] = true;
      }
    }
    return std::all_of(graph_.outputs.begin(), graph_.outputs.end(), [&](ValueId v) { return has(v); });
  }

 private:
  bool has(ValueId value) const { return value != kAbsent && has_[static_cast<size_t>(value)]; }
  const Shape& shape(ValueId value) const { return graph_.value(value).type.shape; }
  int rank(const Node& node) const { return shape(node.inputs[0]).rank(); }
  // Whether a dimension, perhaps counted from the end, is the batch's.
  bool is_first(const Node& node, int64_t dim) const { return dim == 0 || dim == -rank(node); }
  bool open(ValueId value) const { return shape(value).rank() > 0 && shape(value)[0] == kDynamic; }

  // The data input, and any residual, have the batch; what is at places 1 and 2 has not.
  bool layer(const Node& node) const {
    return has(node.inputs[0]) && !has(input_of(node, 1)) && !has(input_of(node, 2)) &&
           (input_of(node, 3) == kAbsent || has(input_of(node, 3)));
  }
  bool all_have(const Node& node) const {
    return std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId v) { return has(v); });
  }
  // Only the data input has it, and the op does not work along it.
  bool along(const Node& node, int64_t dim) const {
    const auto others =
        std::count_if(node.inputs.begin(), node.inputs.end(), [&](ValueId v) { return has(v); });
    return has(node.inputs[0]) && others == 1 && !is_first(node, dim);
  }

  template <class Op>
  bool keeps(const Node&, const Op&) const {
    return false;
  }
  bool keeps(const Node& node, const ops::Conv&) const { return layer(node) && input_of(node, 4) == kAbsent; }
  bool keeps(const Node& node, const ops::ConvChannelsLast&) const { return layer(node); }
  bool keeps(const Node& node, const ops::ExpandDepthwiseChannelsLast&) const { return along(node, -1); }
  bool keeps(const Node& node, const ops::Linear&) const { return layer(node) && rank(node) > 1; }
  bool keeps(const Node& node, const ops::MaxPool& pool) const {
    return all_have(node) && !pool.with_indices;
  }
  bool keeps(const Node& node, const ops::AvgPool&) const { return all_have(node); }
  bool keeps(const Node& node, const ops::GlobalAvgPool&) const { return all_have(node); }
  bool keeps(const Node& node, const ops::MaxPoolChannelsLast&) const { return all_have(node); }
  bool keeps(const Node& node, const ops::AvgPoolChannelsLast&) const { return all_have(node); }
  bool keeps(const Node& node, const ops::GatherChannels&) const { return all_have(node); }
  bool keeps(const Node& node, const ops::GlobalAvgPoolChannelsLast&) const { return all_have(node); }
  bool keeps(const Node& node, const ops::Activate&) const { return all_have(node); }
  bool keeps(const Node& node, const ops::Unary&) const { return all_have(node); }
  bool keeps(const Node& node, const ops::Add&) const { return all_have(node); }
  // Broadcasting may add dimensions before the others.
  bool keeps(const Node& node, const ops::Binary&) const {
    const int whole = shape(node.outputs[0]).rank();
    return std::all_of(node.inputs.begin(), node.inputs.end(), [&](ValueId v) {
      return has(v) ? shape(v).rank() == whole : shape(v).rank() < whole || shape(v)[0] == 1;
    });
  }
  bool keeps(const Node& node, const ops::ScaleShift& scale_shift) const {
    const ValueId residual = input_of(node, 4);
    return has(node.inputs[0]) && !is_first(node, scale_shift.dim) && (residual == kAbsent || has(residual));
  }
  bool keeps(const Node& node, const ops::Concat& concat) const {
    return all_have(node) && !is_first(node, concat.dim);
  }
  bool keeps(const Node& node, const ops::ConcatScaleShiftChannelsLast&) const {
    return std::all_of(node.inputs.begin() + 3, node.inputs.end(), [&](ValueId v) { return has(v); });
  }
  bool keeps(const Node& node, const ops::Split& split) const { return along(node, split.dim); }
  bool keeps(const Node& node, const ops::Slice& slice) const { return along(node, slice.dim); }
  bool keeps(const Node& node, const ops::Softmax& softmax) const { return along(node, softmax.dim); }
  bool keeps(const Node& node, const ops::Flatten& flatten) const {
    return along(node, flatten.start_dim) && (!flatten.to_matrix || flatten.start_dim == 1);
  }
  bool keeps(const Node&, const ops::Transpose& transpose) const {
    return !transpose.order.empty() && transpose.order[0] == 0;
  }
  bool keeps(const Node& node, const ops::Reshape& reshape) const {
    const KnownElements sizes(&graph_.value(node.inputs[1]).type);
    return !reshape.allow_zero && has(node.inputs[0]) && !has(node.inputs[1]) && sizes.size() > 0 &&
           sizes.known(0) && sizes.integer(0) == 0;
  }
  bool keeps(const Node& node, const ops::StridedSlice&) const {
    return along(node, -1) && none_is_first(node, 3);
  }
  bool keeps(const Node& node, const ops::Reduce&) const { return along(node, -1) && none_is_first(node, 1); }
  // Whether the axes, the i-th input, are known, some, and not the first dimension.
  bool none_is_first(const Node& node, size_t i) const {
    const ValueId axes = input_of(node, i);
    if (axes == kAbsent) return false;
    const KnownElements known(&graph_.value(axes).type);
    if (known.size() < 1 || !known.all_known()) return false;
    for (int64_t k = 0; k < known.size(); ++k) {
      if (is_first(node, known.integer(k))) return false;
    }
    return true;
  }

  const GraphData& graph_;
  std::vector<bool> has_;
};

}  // namespace

bool is_independent_in_batch(const GraphData& graph) {
  return !graph.inputs.empty() && Batch(graph).independent();
}

}  // namespace pleat
