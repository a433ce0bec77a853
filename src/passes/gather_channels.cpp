// gather_channels: channels that are joined, shuffled and cut apart are copied once, from where they were
// made.
//   Before: y = slice(reshape(transpose(reshape(concat(a, b)))))    After: y = gather_channels(a, b)
// A channel is an element of the dimensions from the fourth on; how often it was copied decides.

#include <algorithm>
#include <optional>

#include "graph/edit.hpp"
#include "ops/known.hpp"
#include "passes/pass.hpp"

namespace pleat {
namespace {

constexpr int kPixelDims = 3;

struct Channel {
  ValueId value;
  int64_t index;
  bool operator==(const Channel&) const = default;
};

// What a value's channels are, and by how many steps in a row they were copied. Empty: not known.
struct Origin {
  std::vector<Channel> channels;
  int copies = 0;
};

class Origins {
 public:
  explicit Origins(const GraphData& graph) : graph_(graph), of_(graph.values.size()) {
    for (const Node& node : graph.nodes) {
      std::visit([&](const auto& op) { follow(node, op); }, static_cast<const ops::AnyOp&>(node.attributes));
    }
  }

  // Empty channels for one that is where it was made.
  const Origin& operator[](ValueId value) const { return of_[static_cast<size_t>(value)]; }
  bool moves(ValueId value) const { return !(*this)[value].channels.empty(); }

 private:
  const Shape& shape(ValueId value) const { return graph_.value(value).type.shape; }

  Origin origin(ValueId value) const {
    if (moves(value)) return (*this)[value];
    const Shape& x = shape(value);
    Origin itself;
    if (x.rank() <= kPixelDims || graph_.value(value).type.dtype != DType::f32) return itself;
    for (int d = 1; d < x.rank(); ++d) {
      if (x[d] == kDynamic) return itself;
    }
    for (int64_t c = 0; c < x.product(kPixelDims, x.rank()); ++c) itself.channels.push_back({value, c});
    return itself;
  }

  bool same_pixels(ValueId a, ValueId b) const {
    for (int d = 0; d < kPixelDims; ++d) {
      if (shape(a).rank() <= kPixelDims || shape(b).rank() <= kPixelDims || shape(a)[d] != shape(b)[d])
        return false;
    }
    return true;
  }
  bool is_last(ValueId value, int64_t dim) const {
    const int rank = shape(value).rank();
    return rank == kPixelDims + 1 && (dim == kPixelDims || dim == -1);
  }
  void set(ValueId value, std::vector<Channel> channels, int copies) {
    of_[static_cast<size_t>(value)] = {std::move(channels), copies};
  }

  template <class Op>
  void follow(const Node&, const Op&) {}

  void follow(const Node& node, const ops::Concat& concat) {
    if (!is_last(node.outputs[0], concat.dim)) return;
    Origin joined;
    for (const ValueId input : node.inputs) {
      const Origin part = origin(input);
      if (part.channels.empty()) return;
      joined.channels.insert(joined.channels.end(), part.channels.begin(), part.channels.end());
      joined.copies = std::max(joined.copies, part.copies);
    }
    set(node.outputs[0], std::move(joined.channels), joined.copies + 1);
  }

  void follow(const Node& node, const ops::Reshape&) {
    if (!same_pixels(node.inputs[0], node.outputs[0])) return;
    const Origin x = origin(node.inputs[0]);
    const Shape& y = shape(node.outputs[0]);
    if (y.product(kPixelDims, y.rank()) != static_cast<int64_t>(x.channels.size())) return;
    set(node.outputs[0], x.channels, x.copies);
  }

  void follow(const Node& node, const ops::Transpose& transpose) {
    if (transpose.order != std::vector<int64_t>{0, 1, 2, 4, 3}) return;
    const Origin x = origin(node.inputs[0]);
    const Shape& y = shape(node.outputs[0]);
    std::vector<Channel> moved;
    for (size_t i = 0; i < x.channels.size(); ++i) {
      const auto outer = static_cast<size_t>(y[kPixelDims]), inner = static_cast<size_t>(y[kPixelDims + 1]);
      moved.push_back(x.channels[i % inner * outer + i / inner]);
    }
    set(node.outputs[0], std::move(moved), x.copies + 1);
  }

  void cut(ValueId from, ValueId to, int64_t begin, int64_t step) {
    const Origin x = origin(from);
    std::vector<Channel> kept;
    if (x.channels.empty()) return;
    for (int64_t i = 0; i < shape(to)[kPixelDims]; ++i) {
      kept.push_back(x.channels.at(static_cast<size_t>(begin + i * step)));
    }
    set(to, std::move(kept), x.copies + 1);
  }
  void follow(const Node& node, const ops::Slice& slice) {
    if (is_last(node.inputs[0], slice.dim)) cut(node.inputs[0], node.outputs[0], slice.begin, 1);
  }
  void follow(const Node& node, const ops::Split& split) {
    if (!is_last(node.inputs[0], split.dim)) return;
    int64_t begin = 0;
    for (const ValueId part : node.outputs) {
      if (shape(part)[kPixelDims] == kDynamic) return;
      cut(node.inputs[0], part, begin, 1);
      begin += shape(part)[kPixelDims];
    }
  }
  void follow(const Node& node, const ops::StridedSlice&) {
    const ValueId x = node.inputs[0];
    const auto integers = [&](size_t i) -> std::vector<int64_t> {
      const ValueId input = input_of(node, i);
      if (input == kAbsent) return {};
      return known_integers(&graph_.value(input).type, "").value_or(std::vector<int64_t>{});
    };
    const std::vector<int64_t> starts = integers(1), axes = integers(3), steps = integers(4);
    const bool stepped = input_of(node, 4) != kAbsent;
    if (starts.size() != 1 || axes.size() != 1 || !is_last(x, axes[0]) || starts[0] == kUnknown) return;
    if (stepped && (steps.size() != 1 || steps[0] == kUnknown || steps[0] < 1)) return;
    const int64_t channels = shape(x)[kPixelDims], kept = shape(node.outputs[0])[kPixelDims];
    if (channels == kDynamic || kept == kDynamic || kept == 0) return;
    const int64_t start = starts[0] < 0 ? std::max<int64_t>(0, starts[0] + channels) : starts[0];
    cut(x, node.outputs[0], start, stepped && kept > 1 ? steps[0] : 1);
  }

  const GraphData& graph_;
  std::vector<Origin> of_;  // by value
};

// The fewest runs that a walk from channel to channel finds.
ops::GatherChannels runs_of(const std::vector<Channel>& channels, std::vector<ValueId>& inputs) {
  ops::GatherChannels gather{static_cast<int64_t>(channels.size()), {}};
  std::vector<bool> taken(channels.size(), false);
  const auto is = [&](size_t place, Channel wanted) {
    return place < channels.size() && !taken[place] && channels[place] == wanted;
  };
  for (size_t first = 0; first < channels.size(); ++first) {
    if (taken[first]) continue;
    const auto [value, index] = channels[first];
    size_t step = 1;
    while (first + step < channels.size() && !is(first + step, {value, index + 1})) ++step;
    if (first + step >= channels.size()) step = 1;  // alone
    int64_t count = 0;
    for (size_t place = first; is(place, {value, index + count}); place += step, ++count) taken[place] = true;
    auto input = std::find(inputs.begin(), inputs.end(), value);
    if (input == inputs.end()) input = inputs.insert(inputs.end(), value);
    gather.runs.push_back(
        {input - inputs.begin(), index, static_cast<int64_t>(first), count, static_cast<int64_t>(step)});
  }
  return gather;
}

void run(GraphData& graph, PassContext&) {
  const Origins origins(graph);
  const size_t count = graph.values.size();
  const auto read_as_it_is = [&](ValueId value) {
    const std::vector<NodeId> readers = users(graph, value);
    return is_output(graph, value) || std::any_of(readers.begin(), readers.end(), [&](NodeId reader) {
             const std::vector<ValueId>& made = graph.node(reader).outputs;
             return std::none_of(made.begin(), made.end(), [&](ValueId y) { return origins.moves(y); });
           });
  };
  std::vector<ValueId> gathered;
  for (size_t v = 0; v < count; ++v) {
    const auto value = static_cast<ValueId>(v);
    const bool four = graph.value(value).type.shape.rank() == kPixelDims + 1;
    if (four && origins[value].copies > 1 && read_as_it_is(value)) gathered.push_back(value);
  }
  for (const ValueId value : gathered) {
    std::vector<ValueId> inputs;
    const ops::GatherChannels gather = runs_of(origins[value].channels, inputs);
    replace_uses(graph, value, add_node(graph, graph.value(value).name, gather, inputs)[0]);
  }
  if (!gathered.empty()) tidy(graph);
}

}  // namespace

const Pass kGatherChannels = {"gather_channels", run};

}  // namespace pleat
