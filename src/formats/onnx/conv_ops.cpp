// Conv, ConvTranspose. Over three spatial dimensions they are two-dimensional ones between ops::UnfoldDepth,
// which lays the depth's windows side by side as channels, and ops::FoldDepth.

#include <algorithm>

#include "formats/onnx/operators.hpp"
#include "formats/onnx/windows.hpp"

namespace pleat::formats {
namespace {

struct Operands {
  ValueId x, weight, bias;
  Shape x_shape, weight_shape;
  int dims = 0;  ///< spatial dimensions
};

Operands read_operands(NodeImport& node) {
  node.need_floats();
  Operands operands{node.in(0), node.parameter(1), node.parameter(2), node.shape(0), {}};
  if (operands.weight == kAbsent) node.fail("its weight is missing");
  operands.weight_shape = node.shape_of(operands.weight);
  operands.dims = operands.x_shape.rank() - 2;
  if (operands.dims < 1 || operands.dims > 3) {
    node.fail("needs an input with 1, 2 or 3 spatial dimensions, got ", operands.x_shape.str());
  }
  if (operands.weight_shape.rank() != operands.x_shape.rank() || !operands.weight_shape.is_static()) {
    node.fail("needs a weight of known shape and of the input's rank, got ", operands.weight_shape.str());
  }
  return operands;
}

Windows windows_of(NodeImport& node, const Operands& operands) {
  const Shape& weight = operands.weight_shape;
  std::vector<int64_t> kernel(weight.begin() + 2, weight.end());
  return read_windows(node, read_kernel(node, operands.dims, kernel));
}

int64_t groups_of(NodeImport& node) {
  const int64_t groups = node.integer("group", 1);
  if (groups < 1) node.fail("attribute group must be positive, not ", groups);
  return groups;
}

int64_t depth_of(NodeImport& node, const Operands& operands) {
  const int64_t depth = operands.x_shape[2];
  if (depth < 1) node.fail("needs an input of known depth, got ", operands.x_shape.str());
  return depth;
}

ops::UnfoldDepth depth_window(const Windows& windows) {
  return {windows.kernel[0], windows.stride[0], windows.dilation[0], windows.pad_begin[0],
          windows.pad_end[0]};
}

int64_t extent(const ops::UnfoldDepth& window) {
  return (window.kernel - 1) * window.dilation + 1;
}

// The pads that auto_pad stands for.
void set_pads(ops::UnfoldDepth& window, ops::AutoPad auto_pad, int64_t total) {
  const int64_t less = std::max<int64_t>(0, total) / 2, more = std::max<int64_t>(0, total) - less;
  const bool upper = auto_pad == ops::AutoPad::same_upper;
  window.pad_begin = upper ? less : more;
  window.pad_end = upper ? more : less;
}

// The weight with its depth joined to the dimension before.
ValueId flat_weight(NodeImport& node, const Operands& in) {
  const Shape& w = in.weight_shape;
  return node.add(ops::Reshape{}, {in.weight, node.add_integers({w[0], w[1] * w[2], w[3], w[4]})});
}

ValueId conv_3d(NodeImport& node, const Operands& in, const Windows& windows, int64_t groups) {
  const int64_t depth = depth_of(node, in);
  ops::UnfoldDepth unfold = depth_window(windows);
  if (windows.auto_pad != ops::AutoPad::none) {
    const int64_t last = (depth - 1) / unfold.stride * unfold.stride;
    set_pads(unfold, windows.auto_pad, last + extent(unfold) - depth);
  }
  const int64_t room = depth + unfold.pad_begin + unfold.pad_end - extent(unfold);
  const ops::Conv conv{.window = windows.window(1), .groups = groups, .epilogue = {}};
  const ValueId planes = node.add(conv, {node.add(unfold, {in.x}), flat_weight(node, in), in.bias, kAbsent});
  return node.add(ops::FoldDepth{.window = {}, .depth = room / unfold.stride + 1}, {planes, kAbsent});
}

std::vector<ValueId> conv(NodeImport& node) {
  const Operands in = read_operands(node);
  const Windows windows = windows_of(node, in);
  const int64_t groups = groups_of(node);
  if (in.dims == 3) return {conv_3d(node, in, windows, groups)};
  return {node.add(ops::Conv{.window = windows.window(), .groups = groups, .epilogue = {}},
                   {in.x, in.weight, in.bias, kAbsent})};
}

struct TransposeSizes {
  std::vector<int64_t> padding, size;

  std::array<int64_t, 2> pair(const std::vector<int64_t>& values, size_t first) const {
    if (values.size() == 1) return {0, values[0]};
    return {values[first], values[first + 1]};
  }
};

TransposeSizes read_sizes(NodeImport& node, const Operands& in) {
  const auto count = static_cast<size_t>(in.dims);
  const auto read = [&](const char* name) {
    std::vector<int64_t> values = node.optional_integers(name).value_or(std::vector<int64_t>(count, 0));
    // Some write the whole output's shape.
    if (values.size() == count + 2 && std::string_view(name) == "output_shape")
      values.erase(values.begin(), values.begin() + 2);
    if (values.size() != count) node.fail(name, " has ", values.size(), " entries, ", count, " are needed");
    for (const int64_t value : values) {
      if (value < 0 || value > (1 << 20)) node.fail(name, " cannot hold ", value);
    }
    return values;
  };
  return {read("output_padding"), read("output_shape")};
}

ValueId conv_transpose_3d(NodeImport& node, const Operands& in, const Windows& windows,
                          const TransposeSizes& sizes, int64_t groups) {
  const int64_t depth = depth_of(node, in);
  ops::FoldDepth fold{depth_window(windows), depth, sizes.padding[0]};
  ops::UnfoldDepth& window = fold.window;
  const bool automatic = windows.auto_pad != ops::AutoPad::none;
  if (sizes.size[0] > 0 || automatic) {
    const int64_t wanted = sizes.size[0] > 0 ? sizes.size[0] : depth * window.stride;
    const int64_t whole = (depth - 1) * window.stride + extent(window) + fold.output_padding;
    set_pads(window, windows.auto_pad, whole - wanted);
    fold.output_padding += std::max<int64_t>(0, wanted - whole);
  }
  const ops::ConvTranspose rule{windows.window(1), groups, sizes.pair(sizes.padding, 1),
                                sizes.pair(sizes.size, 1)};
  const ValueId slices = node.add(ops::UnfoldDepth{}, {in.x});
  return node.add(fold, {node.add(rule, {slices, flat_weight(node, in), kAbsent}), in.bias});
}

std::vector<ValueId> conv_transpose(NodeImport& node) {
  const Operands in = read_operands(node);
  const Windows windows = windows_of(node, in);
  const TransposeSizes sizes = read_sizes(node, in);
  const int64_t groups = groups_of(node);
  if (in.dims == 3) return {conv_transpose_3d(node, in, windows, sizes, groups)};
  return {node.add(
      ops::ConvTranspose{windows.window(), groups, sizes.pair(sizes.padding, 0), sizes.pair(sizes.size, 0)},
      {in.x, in.weight, in.bias})};
}

}  // namespace

std::span<const Operator> conv_operators() {
  static constexpr Operator kOperators[] = {{"Conv", 1, kLastOpset, conv},
                                            {"ConvTranspose", 1, kLastOpset, conv_transpose}};
  return kOperators;
}

}  // namespace pleat::formats
