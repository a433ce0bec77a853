// gather_channels: channels that are joined, shuffled and cut apart are copied once, from where they were
// made.
//   Before: y = slice(reshape(transpose(reshape(concat(a, b)))))    After: y = gather_channels(a, b)
// A channel is an element of the dimensions from the fourth on; how often it was copied decides.

#include <algorithm>

#include "graph/edit.hpp"
#include "ops/known.hpp"
#include "passes/channel_runs.hpp"
#include "passes/pass.hpp"
#include "passes/trace_elements.hpp"

namespace pleat {
namespace {

constexpr int kPixelDims = 3;

// What a value's channels are, and by how many steps in a row they were copied. Empty: not known.
struct Origin {
  std::vector<Channel> channels;
  int copies = 0;
};

class Origins {
 public:
  explicit Origins(const GraphData& graph) : graph_(graph), of_(graph.values.size()) {
    for (const Node& node : graph.nodes) {
      if (moves_elements(node) && images_alike(node) && moves_channels(node)) follow(node);
    }
  }

  // Empty channels for one that is where it was made.
  const Origin& operator[](ValueId value) const { return of_[static_cast<size_t>(value)]; }
  bool moves(ValueId value) const { return !(*this)[value].channels.empty(); }

 private:
  const ValueType& type(ValueId value) const { return graph_.value(value).type; }

  // Whether a node's first input and its outputs have the same pixels, and channels whose number is known.
  bool images_alike(const Node& node) const {
    const Shape& first = type(node.inputs[0]).shape;
    const auto alike = [&](ValueId value) {
      const Shape& x = type(value).shape;
      if (type(value).dtype != DType::f32 || x.rank() <= kPixelDims || first.rank() <= kPixelDims)
        return false;
      for (int d = 0; d < x.rank(); ++d) {
        if ((d > 0 && x[d] == kDynamic) || (d < kPixelDims && x[d] != first[d])) return false;
      }
      return true;
    };
    return alike(node.inputs[0]) && std::all_of(node.outputs.begin(), node.outputs.end(), alike);
  }

  // Whether each channel stays in its pixel.
  bool moves_channels(const Node& node) const {
    const int rank = type(node.inputs[0]).shape.rank();
    const auto is_channels = [&](int64_t dim) { return (dim < 0 ? dim + rank : dim) >= kPixelDims; };
    if (definition(node.attributes).is_view) return true;
    if (const auto* concat = std::get_if<ops::Concat>(&node.attributes)) return is_channels(concat->dim);
    if (const auto* slice = std::get_if<ops::Slice>(&node.attributes)) return is_channels(slice->dim);
    if (const auto* split = std::get_if<ops::Split>(&node.attributes)) return is_channels(split->dim);
    if (const auto* transpose = std::get_if<ops::Transpose>(&node.attributes)) {
      const std::vector<int64_t>& order = transpose->order;
      return !order.empty() && order[0] == 0 && order[1] == 1 && order[2] == 2;
    }
    if (std::holds_alternative<ops::StridedSlice>(node.attributes)) {
      const KnownElements axes = known(node, 3), steps = known(node, 4);
      bool forward = axes.size() > 0 && axes.all_known() && steps.all_known();  // backward leaves no runs
      for (int64_t i = 0; forward && i < axes.size(); ++i) forward = is_channels(axes.integer(i));
      for (int64_t i = 0; forward && i < steps.size(); ++i) forward = steps.integer(i) > 0;
      return forward;
    }
    return false;
  }

  KnownElements known(const Node& node, size_t i) const {
    const ValueId input = input_of(node, i);
    return KnownElements(input == kAbsent ? nullptr : &type(input));
  }

  Origin origin(ValueId value) const {
    if (moves(value)) return (*this)[value];
    Origin itself;
    const Shape& x = type(value).shape;
    for (int64_t c = 0; c < x.product(kPixelDims, x.rank()); ++c) itself.channels.push_back({value, c});
    return itself;
  }

  void follow(const Node& node) {
    if (definition(node.attributes).is_view) {
      const Shape& y = type(node.outputs[0]).shape;
      Origin x = origin(node.inputs[0]);
      // With other channels it has another batch.
      if (y.product(kPixelDims, y.rank()) == std::ssize(x.channels))
        of_[static_cast<size_t>(node.outputs[0])] = std::move(x);
      return;
    }
    const Trace trace = trace_elements(graph_, node, [](Shape shape) {
      for (int d = 0; d < kPixelDims; ++d) shape[d] = 1;
      return shape;
    });
    if (!trace.refusal.empty()) return;
    Origin all;  // by the trace's numbers
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      if (trace.inputs[i].first < 0) continue;
      const Origin x = origin(node.inputs[i]);
      all.channels.insert(all.channels.end(), x.channels.begin(), x.channels.end());
      all.copies = std::max(all.copies, x.copies);
    }
    for (size_t k = 0; k < node.outputs.size(); ++k) {
      Origin& y = of_[static_cast<size_t>(node.outputs[k])];
      y.copies = all.copies + 1;
      for (const int64_t source : trace.sources[k])
        y.channels.push_back(all.channels[static_cast<size_t>(source)]);
    }
  }

  const GraphData& graph_;
  std::vector<Origin> of_;  // by value
};

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
