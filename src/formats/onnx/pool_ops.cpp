// MaxPool, AveragePool and their global forms. Over three spatial dimensions: over height and width first,
// then over the depth. That is exact for a maximum, and for a mean too, as the number of elements that a
// window holds is the product of those in each dimension.

#include "formats/onnx/operators.hpp"
#include "formats/onnx/windows.hpp"

namespace pleat::formats {
namespace {

int spatial_dims(NodeImport& node, int most) {
  node.need_floats();
  const int dims = node.shape(0).rank() - 2;
  if (dims < 1 || dims > most) {
    node.fail("needs an input with 1 to ", most, " spatial dimensions, got ", node.shape(0).str());
  }
  return dims;
}

/// Applies `pool` (from a window to the op) over height and width, then over the depth.
template <class Pool>
ValueId pool_3d(NodeImport& node, const Windows& windows, const Pool& pool) {
  const Shape x = node.shape(0);
  if (x.product(1, 5) == kDynamic) {
    node.fail("over three dimensions it needs an input of known channels and sizes, got ", x.str());
  }
  const auto reshape = [&](ValueId value, const std::vector<int64_t>& shape) {
    return node.add(ops::Reshape{}, {value, node.add_integers(shape)});
  };
  const ValueId planes =
      node.add(pool(windows.window(1)), {reshape(node.in(0), {0, x[1] * x[2], x[3], x[4]})});
  const Shape plane = node.shape_of(planes);
  const ValueId columns =
      node.add(pool(windows.column(0)), {reshape(planes, {0, x[1], x[2], plane[2] * plane[3]})});
  return reshape(columns, {0, x[1], node.shape_of(columns)[2], plane[2], plane[3]});
}

std::vector<ValueId> max_pool(NodeImport& node) {
  const int dims = spatial_dims(node, 3);
  const Windows windows = read_windows(node, read_kernel(node, dims));
  const bool ceil = node.flag("ceil_mode", false), column_major = node.flag("storage_order", false);
  const bool indices = node.wants(1);
  if (dims == 3) {
    if (indices) node.fail("indices over three dimensions are not supported");
    return {pool_3d(node, windows, [&](const ops::Window& window) { return ops::MaxPool{window, ceil}; })};
  }
  return node.add_all(ops::MaxPool{windows.window(), ceil, indices, column_major}, {node.in(0)});
}

std::vector<ValueId> average_pool(NodeImport& node) {
  const int dims = spatial_dims(node, 3);
  const Windows windows = read_windows(node, read_kernel(node, dims));
  const bool ceil = node.flag("ceil_mode", false), include = node.flag("count_include_pad", false);
  const auto pool = [&](const ops::Window& window) { return ops::AvgPool{window, include, ceil}; };
  if (dims == 3) return {pool_3d(node, windows, pool)};
  return {node.add(pool(windows.window()), {node.in(0)})};
}

std::vector<ValueId> global_average_pool(NodeImport& node) {
  spatial_dims(node, 64);
  return {node.add(ops::GlobalAvgPool{.keep_dims = true}, {node.in(0)})};
}

std::vector<ValueId> global_max_pool(NodeImport& node) {
  std::vector<int64_t> axes;
  for (int i = 0; i < spatial_dims(node, 64); ++i) axes.push_back(i + 2);
  return {node.add(ops::Reduce{.kind = ops::ReduceKind::max}, {node.in(0), node.add_integers(axes)})};
}

}  // namespace

std::span<const Operator> pool_operators() {
  static constexpr Operator kOperators[] = {{"MaxPool", 1, kLastOpset, max_pool},
                                            {"AveragePool", 1, kLastOpset, average_pool},
                                            {"GlobalAveragePool", 1, kLastOpset, global_average_pool},
                                            {"GlobalMaxPool", 1, kLastOpset, global_max_pool}};
  return kOperators;
}

}  // namespace pleat::formats
