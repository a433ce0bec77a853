#pragma once

#include <array>

#include "base/format.hpp"
#include "formats/onnx/node_writer.hpp"

namespace pleat::formats {

// Each op as ONNX nodes, the attributes of its inputs and outputs as attributes.hpp lists them; what is given
// back are the names of its outputs, of which the last may be missing.

// write_linear.cpp
Names write(NodeWriter& node, const ops::Linear& op);
Names write(NodeWriter& node, const ops::Conv& op);
Names write(NodeWriter& node, const ops::ConvTranspose& op);
Names write(NodeWriter& node, const ops::MatMul& op);
Names write(NodeWriter& node, const ops::Einsum& op);

// write_elementwise.cpp
Names write(NodeWriter& node, const ops::Activate& op);
Names write(NodeWriter& node, const ops::Unary& op);
Names write(NodeWriter& node, const ops::Add& op);
Names write(NodeWriter& node, const ops::Binary& op);
Names write(NodeWriter& node, const ops::Where& op);
Names write(NodeWriter& node, const ops::Cast& op);

// write_norm.cpp
Names write(NodeWriter& node, const ops::BatchNorm& op);
Names write(NodeWriter& node, const ops::ScaleShift& op);
Names write(NodeWriter& node, const ops::LayerNorm& op);
Names write(NodeWriter& node, const ops::LocalResponseNorm& op);
Names write(NodeWriter& node, const ops::Softmax& op);
Names write(NodeWriter& node, const ops::Dropout& op);

// write_reduce.cpp
Names write(NodeWriter& node, const ops::Reduce& op);
Names write(NodeWriter& node, const ops::ArgReduce& op);
Names write(NodeWriter& node, const ops::MaxPool& op);
Names write(NodeWriter& node, const ops::AvgPool& op);
Names write(NodeWriter& node, const ops::GlobalAvgPool& op);

// write_shape.cpp
Names write(NodeWriter& node, const ops::Flatten& op);
Names write(NodeWriter& node, const ops::Reshape& op);
Names write(NodeWriter& node, const ops::ReshapeLike& op);
Names write(NodeWriter& node, const ops::Squeeze& op);
Names write(NodeWriter& node, const ops::Unsqueeze& op);
Names write(NodeWriter& node, const ops::ShapeOf& op);
Names write(NodeWriter& node, const ops::SizeOf& op);
Names write(NodeWriter& node, const ops::FillShape& op);
Names write(NodeWriter& node, const ops::Fill& op);
Names write(NodeWriter& node, const ops::Range& op);

// write_move.cpp
Names write(NodeWriter& node, const ops::Concat& op);
Names write(NodeWriter& node, const ops::Split& op);
Names write(NodeWriter& node, const ops::Slice& op);
Names write(NodeWriter& node, const ops::StridedSlice& op);
Names write(NodeWriter& node, const ops::Transpose& op);
Names write(NodeWriter& node, const ops::Expand& op);
Names write(NodeWriter& node, const ops::Tile& op);
Names write(NodeWriter& node, const ops::Gather& op);
Names write(NodeWriter& node, const ops::Pad& op);
Names write(NodeWriter& node, const ops::Resize& op);

// write_depth.cpp
Names write(NodeWriter& node, const ops::UnfoldDepth& op);
Names write(NodeWriter& node, const ops::FoldDepth& op);
Names write(NodeWriter& node, const ops::DepthToSpace& op);
Names write(NodeWriter& node, const ops::SpaceToDepth& op);

/// Every other op.
template <class Op>
Names write(NodeWriter&, const Op&) {
  fail("has no ONNX form: it belongs to training, or to how networks run");
}

// What families share.

/// y after the activation.
std::string activated(NodeWriter& node, const std::string& y, Activation activation, double alpha);
/// y with the residual of that input added, if there is one, then the activation.
std::string with_epilogue(NodeWriter& node, std::string y, size_t residual, Activation activation,
                          double alpha);

/// The window with the pads that it has on x, unless a dynamic size decides.
ops::Window fixed_window(const ops::Window& window, const Shape& x);
/// A window's attributes for data of that rank.
OnnxAttributes window_attributes(const ops::Window& window, int rank);
/// The numbers of the dimensions that data of that rank has: (N, C, L) has the width only.
std::vector<int64_t> spatial(const std::array<int64_t, 2>& both, int rank);

}  // namespace pleat::formats
