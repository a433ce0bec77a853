#include "formats/onnx/windows.hpp"

#include <algorithm>

namespace pleat::formats {
namespace {

// Sizes above this are damage, and would overflow in the arithmetic on them.
constexpr int64_t kLargest = 1 << 20;

std::vector<int64_t> sizes(NodeImport& node, const char* name, size_t count, int64_t least,
                           int64_t otherwise) {
  std::vector<int64_t> values = node.optional_integers(name).value_or(std::vector<int64_t>(count, otherwise));
  if (values.size() != count) node.fail(name, " has ", values.size(), " entries, ", count, " are needed");
  for (const int64_t value : values) {
    if (value < least || value > kLargest) node.fail(name, " cannot hold ", value);
  }
  return values;
}

}  // namespace

ops::Window Windows::window(int first) const {
  ops::Window window{.auto_pad = auto_pad};
  const size_t at = static_cast<size_t>(first), count = std::min<size_t>(2, kernel.size() - at);
  for (size_t i = 0; i < count; ++i) {
    const size_t d = i + 2 - count;
    window.kernel[d] = kernel[at + i];
    window.stride[d] = stride[at + i];
    window.dilation[d] = dilation[at + i];
    window.pad_begin[d] = pad_begin[at + i];
    window.pad_end[d] = pad_end[at + i];
  }
  return window;
}

ops::Window Windows::column(int dim) const {
  const size_t d = static_cast<size_t>(dim);
  return {.kernel = {kernel[d], 1},
          .stride = {stride[d], 1},
          .dilation = {dilation[d], 1},
          .pad_begin = {pad_begin[d], 0},
          .pad_end = {pad_end[d], 0},
          .auto_pad = auto_pad};
}

Windows read_windows(NodeImport& node, std::vector<int64_t> kernel) {
  static constexpr std::pair<std::string_view, ops::AutoPad> kAutoPads[] = {
      {"NOTSET", ops::AutoPad::none},
      {"VALID", ops::AutoPad::none},
      {"SAME_UPPER", ops::AutoPad::same_upper},
      {"SAME_LOWER", ops::AutoPad::same_lower}};
  const size_t dims = kernel.size();
  Windows windows;
  windows.kernel = std::move(kernel);
  windows.auto_pad = node.choice("auto_pad", "NOTSET", kAutoPads);
  windows.stride = sizes(node, "strides", dims, 1, 1);
  windows.dilation = sizes(node, "dilations", dims, 1, 1);
  std::vector<int64_t> pads = sizes(node, "pads", 2 * dims, 0, 0);
  const bool given = node.text("auto_pad", "NOTSET") == "NOTSET";
  if (!given) std::fill(pads.begin(), pads.end(), 0);
  windows.pad_begin.assign(pads.begin(), pads.begin() + static_cast<std::ptrdiff_t>(dims));
  windows.pad_end.assign(pads.begin() + static_cast<std::ptrdiff_t>(dims), pads.end());
  return windows;
}

std::vector<int64_t> read_kernel(NodeImport& node, int dims, std::vector<int64_t> otherwise) {
  if (!node.has_attribute("kernel_shape") && !otherwise.empty()) return otherwise;
  std::vector<int64_t> kernel = node.integers("kernel_shape");
  if (static_cast<int>(kernel.size()) != dims) {
    node.fail("kernel_shape has ", kernel.size(), " entries, the input ", dims, " spatial dimensions");
  }
  for (const int64_t size : kernel) {
    if (size < 1 || size > kLargest) node.fail("kernel_shape cannot hold ", size);
  }
  if (!otherwise.empty() && kernel != otherwise) node.fail("kernel_shape differs from the weight's");
  return kernel;
}

}  // namespace pleat::formats
