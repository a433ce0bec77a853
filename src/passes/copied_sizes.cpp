// copied_sizes: a reshape's size that is computed, and is the size of its input at the same place, is 0,
// which says so; what -1 stands for is then known for any batch.
//   Before: y = reshape(x, concat(shape_of(x)[0], -1))    After: y = reshape(x, [0, -1])

#include "graph/edit.hpp"
#include "ops/known.hpp"
#include "passes/affine.hpp"
#include "passes/pass.hpp"

namespace pleat {
namespace {

// A size of a value, traced to where it is first seen; or an element of a list of sizes, while it is traced.
struct Place {
  ValueId value = kAbsent;
  int64_t index = 0;
  bool operator==(const Place&) const = default;
};

template <class... Op>
bool is_any(const Node& node) {
  return (std::holds_alternative<Op>(node.attributes) || ...);
}

class Sizes {
 public:
  explicit Sizes(const GraphData& graph) : graph_(graph) {}

  // Element `index` of a value of whole numbers, as the size that it is; none where it is something else.
  std::optional<Place> element(ValueId value, int64_t index) const {
    const Node* node = producer(value);
    if (node == nullptr) return std::nullopt;
    const ValueId x = node->inputs[0];
    if (is_any<ops::Squeeze, ops::Unsqueeze, ops::Flatten, ops::Reshape>(*node)) return element(x, index);
    if (const auto* cast = std::get_if<ops::Cast>(&node->attributes)) {
      const bool whole = cast->to == DType::i64 || cast->to == DType::i32;
      return whole ? element(x, index) : std::nullopt;
    }
    if (const auto* shape_of = std::get_if<ops::ShapeOf>(&node->attributes)) {
      const int64_t begin = shape_of->begin < 0 ? shape_of->begin + rank(x) : shape_of->begin;
      return size(x, std::max<int64_t>(0, begin) + index);
    }
    if (const auto* slice = std::get_if<ops::Slice>(&node->attributes); slice && slice->begin >= 0)
      return element(x, slice->begin + index);
    if (std::holds_alternative<ops::Gather>(node->attributes) && rank(x) == 1) {
      const KnownElements indices(&graph_.value(node->inputs[1]).type);
      if (index >= indices.size() || !indices.known(index)) return std::nullopt;
      const int64_t at = indices.integer(index);
      const int64_t count = graph_.value(x).type.shape[0];
      if (at < 0 && count == kDynamic) return std::nullopt;
      return element(x, at < 0 ? at + count : at);
    }
    if (!std::holds_alternative<ops::Concat>(node->attributes)) return std::nullopt;
    for (const ValueId part : node->inputs) {
      const int64_t count = graph_.value(part).type.shape.numel();
      if (count == kDynamic) return std::nullopt;
      if (index < count) return element(part, index);
      index -= count;
    }
    return std::nullopt;
  }

  // Dimension `dim` of a value, as the same size where it is first seen.
  Place size(ValueId value, int64_t dim) const {
    const Node* node = producer(value);
    if (node == nullptr || node->inputs.empty()) return {value, dim};
    const ValueId x = node->inputs[0];
    if (is_any<ops::Activate, ops::Unary, ops::ScaleShift, ops::Softmax, ops::Cast>(*node))
      return size(x, dim);
    // The batch.
    if (dim == 0 &&
        is_any<ops::Conv, ops::ConvTranspose, ops::MaxPool, ops::AvgPool, ops::GlobalAvgPool>(*node))
      return size(x, 0);
    if (const auto* transpose = std::get_if<ops::Transpose>(&node->attributes)) {
      const auto& order = transpose->order;
      return size(x, order.empty() ? rank(x) - 1 - dim : order[static_cast<size_t>(dim)]);
    }
    if (const auto* reshape = std::get_if<ops::Reshape>(&node->attributes)) {
      const KnownElements sizes(&graph_.value(node->inputs[1]).type);
      if (dim < sizes.size() && sizes.known(dim)) {
        const bool copied = sizes.integer(dim) == 0 && !reshape->allow_zero;
        return copied ? size(x, dim) : Place{value, dim};
      }
      return element(node->inputs[1], dim).value_or(Place{value, dim});
    }
    return {value, dim};
  }

 private:
  const Node* producer(ValueId value) const {
    const NodeId id = value == kAbsent ? -1 : graph_.value(value).producer;
    return id < 0 ? nullptr : &graph_.node(id);
  }
  int64_t rank(ValueId value) const { return graph_.value(value).type.shape.rank(); }

  const GraphData& graph_;
};

// The sizes with those that are x's own as 0; nullopt where that changes nothing, or one stays unknown.
std::optional<std::vector<int64_t>> with_copies(const GraphData& graph, const Node& node) {
  const ValueId x = node.inputs[0];
  auto sizes = known_integers(&graph.value(node.inputs[1]).type, "shape");
  if (!sizes || std::count(sizes->begin(), sizes->end(), kUnknown) == 0) return std::nullopt;
  const Sizes trace(graph);
  for (size_t i = 0; i < sizes->size(); ++i) {
    const auto dim = static_cast<int64_t>(i);
    if ((*sizes)[i] != kUnknown) continue;
    const bool there = dim < graph.value(x).type.shape.rank();
    if (!there || trace.element(node.inputs[1], dim) != trace.size(x, dim)) return std::nullopt;
    (*sizes)[i] = 0;
  }
  return sizes;
}

void run(GraphData& graph, PassContext&) {
  bool changed = false;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const auto id = static_cast<NodeId>(i);
    const auto* reshape = std::get_if<ops::Reshape>(&graph.node(id).attributes);
    if (reshape == nullptr || reshape->allow_zero) continue;
    const auto sizes = with_copies(graph, graph.node(id));
    if (!sizes) continue;
    const auto count = static_cast<int64_t>(sizes->size());
    const std::string name = graph.node(id).name + ".sizes";
    const ValueId constant = add_constant(graph, name, Tensor::from({count}, *sizes));
    graph.node(id).inputs[1] = constant;
    changed = true;
  }
  if (!changed) return;
  tidy(graph);
  infer_all(graph);
}

}  // namespace

const Pass kCopiedSizes = {"copied_sizes", run};

}  // namespace pleat
