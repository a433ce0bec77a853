#pragma once

#include "formats/onnx/node_import.hpp"

namespace pleat::formats {

/// The windows of a convolution or pooling over any number of spatial dimensions, one entry each.
struct Windows {
  std::vector<int64_t> kernel, stride, dilation, pad_begin, pad_end;
  ops::AutoPad auto_pad = ops::AutoPad::none;

  int dims() const { return static_cast<int>(kernel.size()); }
  /// As the ops take them: the two dimensions from `first` on, or the only one.
  ops::Window window(int first = 0) const;
  /// One dimension as a window over heights, of width 1.
  ops::Window column(int dim) const;
};

/// Reads strides, dilations, pads and auto_pad for a given kernel.
Windows read_windows(NodeImport& node, std::vector<int64_t> kernel);
/// The kernel, from kernel_shape; `otherwise` where that is absent.
std::vector<int64_t> read_kernel(NodeImport& node, int dims, std::vector<int64_t> otherwise = {});

}  // namespace pleat::formats
