// Depth and channels: what volumes' convolutions are made of, and blocks.

#include <limits>

#include "formats/onnx/write_ops.hpp"

namespace pleat::formats {
namespace {

// The sizes that are given, then those of x from dimension `first` on.
std::string shape_of(NodeWriter& node, const std::vector<int64_t>& sizes, const std::string& x,
                     int64_t first) {
  const std::string rest = node.add("Slice", {node.add("Shape", {x}), node.integers({first}),
                                              node.integers({std::numeric_limits<int64_t>::max()})});
  return node.add("Concat", {node.integers(sizes), rest}, {{"axis", 0}});
}

int64_t channels_of(NodeWriter& node) {
  const int64_t channels = node.shape(0)[1];
  if (channels == kDynamic) fail("needs a known number of channels, got ", node.shape(0).str());
  return channels;
}

}  // namespace

// A slice of x (N, C, D, H, W) for each tap, put side by side: (N, C, kernel, D', H, W), and turned to
// (N, D', C, kernel, H, W), of which the first two and the next two are joined.
Names write(NodeWriter& node, const ops::UnfoldDepth& op) {
  const int64_t channels = channels_of(node);
  std::string x = node.in(0);
  if (op.pad_begin != 0 || op.pad_end != 0) {
    x = node.add("Pad", {x, node.integers({0, 0, op.pad_begin, 0, 0, 0, 0, op.pad_end, 0, 0})});
  }
  Names taps;
  for (int64_t k = 0; k < op.kernel; ++k) {
    const int64_t behind = (op.kernel - 1 - k) * op.dilation;
    const int64_t end = behind == 0 ? std::numeric_limits<int64_t>::max() : -behind;
    const std::string tap = node.add("Slice", {x, node.integers({k * op.dilation}), node.integers({end}),
                                               node.integers({2}), node.integers({op.stride})});
    taps.push_back(node.add("Unsqueeze", {tap, node.integers({2})}));
  }
  const std::string turned = node.add("Transpose", {node.add("Concat", taps, {{"axis", 2}})},
                                      {{"perm", std::vector<int64_t>{0, 3, 1, 2, 4, 5}}});
  return {node.add("Reshape", {turned, shape_of(node, {-1, channels * op.kernel}, x, 3)})};
}

// y as (N * C, kernel, depth, H, W), whose transposed convolution with the weight 1 from each tap to its own
// place is the sum wanted; nothing but another order where the windows do not meet.
Names write(NodeWriter& node, const ops::FoldDepth& op) {
  const ops::UnfoldDepth& w = op.window;
  const int64_t channels = channels_of(node) / w.kernel;
  const std::string y = node.in(0);
  std::string x = node.add("Reshape", {y, shape_of(node, {-1, op.depth, channels, w.kernel}, y, 2)});
  x = node.add("Transpose", {x}, {{"perm", std::vector<int64_t>{0, 2, 3, 1, 4, 5}}});
  x = node.add("Reshape", {x, shape_of(node, {-1, w.kernel}, x, 3)});
  if (w.kernel != 1 || w.stride != 1 || w.pad_begin != 0 || w.pad_end != 0 || op.output_padding != 0) {
    Tensor taps({w.kernel, 1, w.kernel, 1, 1}, DType::f64);
    for (int64_t k = 0; k < w.kernel; ++k) taps.data<double>()[k * w.kernel + k] = 1;
    x = node.add("ConvTranspose", {x, node.constant(taps.to(node.type(0).dtype))},
                 {{"strides", std::vector<int64_t>{w.stride, 1, 1}},
                  {"dilations", std::vector<int64_t>{w.dilation, 1, 1}},
                  {"pads", std::vector<int64_t>{w.pad_begin, 0, 0, w.pad_end, 0, 0}},
                  {"output_padding", std::vector<int64_t>{op.output_padding, 0, 0}}});
  }
  x = node.add("Reshape", {x, shape_of(node, {-1, channels}, x, 2)});
  if (!node.has(1)) return {x};
  return {node.add("Add", {x, node.add("Unsqueeze", {node.in(1), node.integers({1, 2, 3})})})};
}

Names write(NodeWriter& node, const ops::DepthToSpace& op) {
  const bool depth_first = op.order == ops::DepthOrder::depth_first;
  return {node.add("DepthToSpace", {node.in(0)},
                   {{"blocksize", op.block}, {"mode", depth_first ? "DCR" : "CRD"}})};
}

// ONNX's is depth first: channel c of place i in a block is i * C + c; channels first c * block^2 + i.
Names write(NodeWriter& node, const ops::SpaceToDepth& op) {
  const std::string y = node.add("SpaceToDepth", {node.in(0)}, {{"blocksize", op.block}});
  if (op.order == ops::DepthOrder::depth_first) return {y};
  const int64_t channels = channels_of(node), places = op.block * op.block;
  std::vector<int64_t> order;
  for (int64_t c = 0; c < channels; ++c) {
    for (int64_t i = 0; i < places; ++i) order.push_back(i * channels + c);
  }
  return {node.add("Gather", {y, node.integers(order)}, {{"axis", 1}})};
}

}  // namespace pleat::formats
