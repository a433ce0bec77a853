// order_channels: convolutions take gathered channels in the order in which they lie in memory.
//   Before: y = conv(gather_channels(a0 b0 a1 b1 ...), W)
//   After:  y = conv(gather_channels(a0 a1 ... b0 b1 ...), W'), W' with its input channels in that order
// What lies side by side is then copied side by side. A depthwise convolution hands its channels on in the
// order in which they came: its readers must take them so. Comes after gather_channels.

#include <algorithm>
#include <cstring>
#include <numeric>

#include "graph/edit.hpp"
#include "passes/affine.hpp"
#include "passes/channel_runs.hpp"
#include "passes/pass.hpp"

namespace pleat {
namespace {

constexpr size_t kX = 0, kWeight = 1, kBias = 2, kResidual = 3;

// The place that each of the gathered channels had before.
using Order = std::vector<size_t>;

bool is_depthwise(const GraphData& graph, const Node& node) {
  const auto* conv = std::get_if<ops::ConvChannelsLast>(&node.attributes);
  const Shape& weight = graph.value(node.inputs[kWeight]).type.shape;
  return conv != nullptr && conv->groups == weight[0] && weight[1] == 1;
}

bool is_constant_or_absent(const GraphData& graph, ValueId value) {
  return value == kAbsent || is_constant(graph, value);
}

// Whether all who read the value can take its channels in another order.
bool any_order_does(const GraphData& graph, ValueId value) {
  if (is_output(graph, value)) return false;
  const std::vector<NodeId> readers = users(graph, value);
  return std::all_of(readers.begin(), readers.end(), [&](NodeId reader) {
    const Node& node = graph.node(reader);
    if (node.inputs[kX] != value || std::count(node.inputs.begin(), node.inputs.end(), value) > 1)
      return false;
    if (std::holds_alternative<ops::ExpandDepthwiseChannelsLast>(node.attributes)) {
      return is_constant(graph, node.inputs[kWeight]);
    }
    const auto* conv = std::get_if<ops::ConvChannelsLast>(&node.attributes);
    if (conv == nullptr || conv->planar || !is_constant(graph, node.inputs[kWeight])) return false;
    return conv->groups == 1 ||
           (is_depthwise(graph, node) && is_constant_or_absent(graph, input_of(node, kBias)) &&
            input_of(node, kResidual) == kAbsent && any_order_does(graph, node.outputs[0]));
  });
}

Tensor reordered(const Tensor& tensor, int dim, const Order& order) {
  const Shape& shape = tensor.shape();
  const auto rows = static_cast<size_t>(shape.product(0, dim));
  const size_t bytes = static_cast<size_t>(shape.product(dim + 1, shape.rank())) * size_of(tensor.dtype());
  return tensor.changed([order, rows, bytes](void* elements) {
    std::vector<std::byte> before(order.size() * bytes);
    auto* row = static_cast<std::byte*>(elements);
    for (size_t r = 0; r < rows; ++r, row += before.size()) {
      std::memcpy(before.data(), row, before.size());
      for (size_t i = 0; i < order.size(); ++i) {
        std::memcpy(row + i * bytes, before.data() + order[i] * bytes, bytes);
      }
    }
  });
}

// A new constant: the old one may be shared with another node.
void reorder_input(GraphData& graph, Node& node, size_t input, int dim, const Order& order) {
  const ValueInfo& old = graph.value(node.inputs[input]);
  node.inputs[input] = add_constant(graph, old.name + ".ordered", reordered(old.data, dim, order));
}

void reorder_readers(GraphData& graph, ValueId value, const Order& order) {
  for (const NodeId reader : users(graph, value)) {
    Node& node = graph.node(reader);
    if (!is_depthwise(graph, node)) {
      reorder_input(graph, node, kWeight, 1, order);
      continue;
    }
    reorder_input(graph, node, kWeight, 0, order);
    if (input_of(node, kBias) != kAbsent) reorder_input(graph, node, kBias, 0, order);
    reorder_readers(graph, node.outputs[0], order);
  }
}

void run(GraphData& graph, PassContext&) {
  for (size_t n = 0; n < graph.nodes.size(); ++n) {
    const auto* gather = std::get_if<ops::GatherChannels>(&graph.nodes[n].attributes);
    if (gather == nullptr) continue;
    std::vector<ValueId>& inputs = graph.nodes[n].inputs;
    const std::vector<Channel> channels = channels_of(*gather, inputs);
    const auto lies_at = [&](size_t place) {
      return std::pair(std::find(inputs.begin(), inputs.end(), channels[place].value), channels[place].index);
    };
    Order order(channels.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) { return lies_at(a) < lies_at(b); });
    const ValueId y = graph.nodes[n].outputs[0];
    if (std::is_sorted(order.begin(), order.end()) || !any_order_does(graph, y)) continue;
    std::vector<Channel> ordered;
    for (const size_t place : order) ordered.push_back(channels[place]);
    graph.nodes[n].attributes = runs_of(ordered, inputs);
    reorder_readers(graph, y, order);
  }
}

}  // namespace

const Pass kOrderChannels = {"order_channels", run};

}  // namespace pleat
