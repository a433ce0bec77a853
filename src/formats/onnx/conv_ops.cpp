// Conv, ConvTranspose. Three spatial dimensions become two:
//   Conv: the depth's windows are laid side by side as channels (ops::UnfoldDepth), depth positions join the
//   batch. ConvTranspose: each depth position gives as many slices as the kernel is deep; a second transposed
//   convolution, over the depth alone and with ones as its weights, adds each slice where it belongs.

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

// The pads that auto_pad stands for, in a dimension of known size.
void resolve_pads(Windows& windows, size_t d, int64_t size) {
  if (windows.auto_pad == ops::AutoPad::none) return;
  const int64_t stride = windows.stride[d], count = (size + stride - 1) / stride;
  const int64_t extent = (windows.kernel[d] - 1) * windows.dilation[d] + 1;
  const int64_t all = std::max<int64_t>(0, (count - 1) * stride + extent - size);
  windows.pad_begin[d] = windows.auto_pad == ops::AutoPad::same_lower ? all - all / 2 : all / 2;
  windows.pad_end[d] = all - windows.pad_begin[d];
}

ValueId conv_3d(NodeImport& node, const Operands& in, Windows windows, int64_t groups) {
  const Shape &x = in.x_shape, &weight = in.weight_shape;
  if (x.product(1, 5) == kDynamic) {
    node.fail("over three dimensions it needs an input of known channels and sizes, got ", x.str());
  }
  resolve_pads(windows, 0, x[2]);
  const ops::UnfoldDepth unfold{windows.kernel[0], windows.stride[0], windows.dilation[0],
                                windows.pad_begin[0], windows.pad_end[0]};
  const int64_t extent = (unfold.kernel - 1) * unfold.dilation + 1;
  const int64_t depth = (x[2] + unfold.pad_begin + unfold.pad_end - extent) / unfold.stride + 1;
  const ValueId unfolded = node.add(unfold, {in.x});
  const ValueId flat_weight =
      node.add(ops::Reshape{},
               {in.weight, node.add_integers({weight[0], weight[1] * weight[2], weight[3], weight[4]})});
  const ops::Conv conv{.window = windows.window(1), .groups = groups, .epilogue = {}};
  const ValueId y = node.add(conv, {unfolded, flat_weight, in.bias, kAbsent});
  const Shape planes = node.shape_of(y);
  const ValueId split =
      node.add(ops::Reshape{}, {y, node.add_integers({-1, depth, planes[1], planes[2], planes[3]})});
  return node.add(ops::Transpose{{0, 2, 1, 3, 4}}, {split});
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
      if (value < 0 || value > (int64_t{1} << 31)) node.fail(name, " cannot hold ", value);
    }
    return values;
  };
  return {read("output_padding"), read("output_shape")};
}

// Adds slice j of each channel's kernel, made from position i, into depth position i*stride - pad +
// j*dilation.
Tensor depth_weight(int64_t channels, int64_t kernel) {
  Tensor weight({channels * kernel, 1, kernel, 1});
  float* out = weight.data<float>();
  for (int64_t row = 0; row < channels * kernel; ++row) out[row * kernel + row % kernel] = 1;
  return weight;
}

ValueId conv_transpose_3d(NodeImport& node, const Operands& in, const Windows& windows,
                          const TransposeSizes& sizes, int64_t groups) {
  const Shape &x = in.x_shape, &w = in.weight_shape;
  if (x.product(1, 5) == kDynamic) {
    node.fail("over three dimensions it needs an input of known channels and sizes, got ", x.str());
  }
  const auto reshape = [&](ValueId value, const std::vector<int64_t>& shape) {
    return node.add(ops::Reshape{}, {value, node.add_integers(shape)});
  };
  const int64_t channels = w[1] * groups, depth = w[2];
  const ValueId joined = reshape(node.add(ops::Transpose{{0, 2, 1, 3, 4}}, {in.x}), {-1, x[1], x[3], x[4]});
  const ValueId weight = reshape(in.weight, {w[0], w[1] * depth, w[3], w[4]});
  const ops::ConvTranspose planes{
      windows.window(1), groups, {sizes.padding[1], sizes.padding[2]}, {sizes.size[1], sizes.size[2]}};
  const ValueId slices = node.add(planes, {joined, weight, kAbsent});
  const Shape made = node.shape_of(slices);
  const ValueId apart = node.add(ops::Transpose{{0, 2, 1, 3}},
                                 {reshape(slices, {-1, x[2], channels * depth, made[2] * made[3]})});
  const ops::ConvTranspose depths{windows.column(0), channels, {sizes.padding[0], 0}, {sizes.size[0], 0}};
  const ValueId y = node.add(depths, {apart, node.add_data(depth_weight(channels, depth)), in.bias});
  return reshape(y, {-1, channels, node.shape_of(y)[2], made[2], made[3]});
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
