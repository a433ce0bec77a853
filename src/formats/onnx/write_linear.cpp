// Products and convolutions.

#include <algorithm>

#include "formats/onnx/write_ops.hpp"
#include "ops/window.hpp"

namespace pleat::formats {
namespace {

constexpr size_t kX = 0, kWeight = 1, kBias = 2, kResidual = 3, kPad = 4;

const char* name_of(ops::AutoPad pad) {
  return pad == ops::AutoPad::same_upper ? "SAME_UPPER" : "SAME_LOWER";
}

// The bias of the convolution of x - p with zeros around it that equals the one of x with p around it:
// b[o] + sum over the group's channels and the taps of W[o, c, tap] * p[c].
Tensor bias_over_padding(NodeWriter& node, int64_t groups) {
  if (node.data(kWeight) == nullptr || node.data(kPad) == nullptr ||
      (node.has(kBias) && node.data(kBias) == nullptr)) {
    fail("a padding value needs constant weights");
  }
  const Shape& shape = node.shape(kWeight);
  const int64_t outputs = shape[0], channels = shape[1], taps = shape.product(2, shape.rank());
  const Tensor weight = node.data(kWeight)->to(DType::f64), pad = node.data(kPad)->to(DType::f64);
  Tensor bias({outputs}, DType::f64);
  if (node.has(kBias)) bias = node.data(kBias)->to(DType::f64).clone();
  const double *w = weight.data<double>(), *p = pad.data<double>();
  double* b = bias.data<double>();
  for (int64_t o = 0; o < outputs; ++o) {
    const int64_t first = o / (outputs / groups) * channels;
    for (int64_t c = 0; c < channels; ++c) {
      for (int64_t t = 0; t < taps; ++t) b[o] += *w++ * p[first + c];
    }
  }
  return bias.to(node.type(kX).dtype);
}

// (C) as (C, 1, 1), which is broadcast along channels.
Tensor along_channels(const Tensor& values, int rank) {
  Shape shape = values.shape();
  for (int i = 2; i < rank; ++i) shape.push_back(1);
  return values.reshape(shape);
}

}  // namespace

std::vector<int64_t> spatial(const std::array<int64_t, 2>& both, int rank) {
  return rank == 3 ? std::vector<int64_t>{both[1]} : std::vector<int64_t>{both[0], both[1]};
}

ops::Window fixed_window(const ops::Window& window, const Shape& x) {
  return x.product(2, x.rank()) == kDynamic ? window : resolved(window, spatial_sizes(x));
}

OnnxAttributes window_attributes(const ops::Window& window, int rank) {
  OnnxAttributes attributes = {{"kernel_shape", spatial(window.kernel, rank)},
                               {"strides", spatial(window.stride, rank)},
                               {"dilations", spatial(window.dilation, rank)}};
  if (window.auto_pad != ops::AutoPad::none) {
    attributes.push_back({"auto_pad", name_of(window.auto_pad)});
    return attributes;
  }
  std::vector<int64_t> pads = spatial(window.pad_begin, rank);
  for (const int64_t pad : spatial(window.pad_end, rank)) pads.push_back(pad);
  attributes.push_back({"pads", pads});
  return attributes;
}

Names write(NodeWriter& node, const ops::Linear& op) {
  std::string y;
  if (node.shape(kX).rank() == 2) {
    y = node.add("Gemm", {node.in(kX), node.in(kWeight), node.in(kBias)}, {{"transB", 1}});
  } else {
    // The weight stays as PyTorch keeps it, (out, in).
    const std::string transposed =
        node.add("Transpose", {node.in(kWeight)}, {{"perm", std::vector<int64_t>{1, 0}}});
    y = node.add("MatMul", {node.in(kX), transposed});
    if (node.has(kBias)) y = node.add("Add", {y, node.in(kBias)});
  }
  return {with_epilogue(node, y, kResidual, op.epilogue.activation, op.epilogue.alpha)};
}

Names write(NodeWriter& node, const ops::Conv& op) {
  const int rank = node.shape(kX).rank();
  OnnxAttributes attributes = window_attributes(fixed_window(op.window, node.shape(kX)), rank);
  attributes.push_back({"group", op.groups});
  std::string x = node.in(kX), bias;
  if (!node.has(kPad)) {
    bias = node.in(kBias);
  } else {
    bias = node.constant(bias_over_padding(node, op.groups));
    x = node.add("Sub", {x, node.constant(along_channels(*node.data(kPad), rank))});
  }
  const std::string y = node.add("Conv", {x, node.in(kWeight), bias}, attributes);
  return {with_epilogue(node, y, kResidual, op.epilogue.activation, op.epilogue.alpha)};
}

Names write(NodeWriter& node, const ops::ConvTranspose& op) {
  const int rank = node.shape(kX).rank();
  OnnxAttributes attributes = window_attributes(op.window, rank);
  attributes.push_back({"group", op.groups});
  attributes.push_back({"output_padding", spatial(op.output_padding, rank)});
  const std::vector<int64_t> size = spatial(op.output_size, rank);
  const auto open = std::count(size.begin(), size.end(), 0);
  if (open == 0) {
    attributes.push_back({"output_shape", size});
  } else if (open != std::ssize(size)) {
    fail("needs the output's size for both dimensions or for none");
  }
  return {node.add("ConvTranspose", {node.in(kX), node.in(kWeight), node.in(kBias)}, attributes)};
}

Names write(NodeWriter& node, const ops::MatMul&) {
  return {node.add("MatMul", {node.in(0), node.in(1)})};
}

Names write(NodeWriter& node, const ops::Einsum& op) {
  Names inputs;
  for (size_t i = 0; i < node.input_count(); ++i) inputs.push_back(node.in(i));
  return {node.add("Einsum", inputs, {{"equation", op.equation}})};
}

}  // namespace pleat::formats
