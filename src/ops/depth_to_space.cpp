// Channels that become blocks of pixels, and back:
// space (n, c, h * block + i, w * block + j) = depth (n, channel, h, w), where channel is
// (i * block + j) * C + c, depth first, or (c * block + i) * block + j, channels first.

#include "base/format.hpp"
#include "ops/context.hpp"
#include "ops/strided_copy.hpp"

namespace pleat {
namespace {

// The six indices, with the sizes, and the strides on both sides.
struct Blocks {
  struct Index {
    int64_t size, depth, space;
  };
  Index n, c, h, i, w, j;

  Blocks(int64_t block, ops::DepthOrder order, const Shape& depth, const Shape& space) {
    const int64_t plane = depth[2] * depth[3], width = space[3];
    const bool depth_first = order == ops::DepthOrder::depth_first;
    const int64_t of_c = depth_first ? plane : block * block * plane;
    const int64_t of_j = depth_first ? space[1] * plane : plane;
    n = {depth[0], depth[1] * plane, depth[1] * plane};
    c = {space[1], of_c, space[2] * width};
    h = {depth[2], depth[3], block * width};
    i = {block, block * of_j, width};
    w = {depth[3], 1, block};
    j = {block, of_j, 1};
  }
};

void check(std::string_view op, int64_t block, const Shape& x) {
  if (x.rank() != 4 || block < 1) {
    fail(op, ": needs an input (N, C, H, W) and a block of at least 1, got ", x.str(), " and ", block);
  }
}

struct DepthToSpaceOp {
  using Attributes = ops::DepthToSpace;
  static constexpr std::string_view name = "depth_to_space";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape& x = in[0]->shape;
    check(name, attributes.block, x);
    const int64_t block = attributes.block, pixels = Shape{block, block}.numel();
    if (x[1] != kDynamic && x[1] % pixels != 0) {
      fail("depth_to_space: the channels of ", x.str(), " are not a multiple of ", pixels);
    }
    const auto times = [&](int64_t size) { return Shape{size, block}.numel(); };
    return {{in[0]->dtype, {x[0], x[1] == kDynamic ? kDynamic : x[1] / pixels, times(x[2]), times(x[3])}}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Blocks b(attributes.block, attributes.order, context.in_shape(0), context.out_shape(0));
    StridedCopy copy;
    for (const Blocks::Index& index : {b.n, b.c, b.h, b.i, b.w, b.j}) {
      copy.add(index.size, index.depth, index.space);
    }
    copy.run(context.out_dtype(0), context.template in<void>(0), context.template out<void>(0));
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    const ops::SpaceToDepth back{attributes.block, attributes.order};
    scope.set_input_gradient(0, scope.emit(back, {scope.output_gradient(0)})[0]);
  }
};

struct SpaceToDepthOp {
  using Attributes = ops::SpaceToDepth;
  static constexpr std::string_view name = "space_to_depth";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape& x = in[0]->shape;
    const int64_t block = attributes.block;
    check(name, block, x);
    const auto over = [&](int d) {
      if (x[d] == kDynamic) return kDynamic;
      if (x[d] % block != 0) fail("space_to_depth: ", x.str(), " is not cut into blocks of ", block);
      return x[d] / block;
    };
    return {{in[0]->dtype, {x[0], Shape{x[1], block, block}.numel(), over(2), over(3)}}};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Blocks b(attributes.block, attributes.order, context.out_shape(0), context.in_shape(0));
    const bool depth_first = attributes.order == ops::DepthOrder::depth_first;
    StridedCopy copy;
    copy.add(b.n.size, b.n.space, b.n.depth);
    for (const Blocks::Index& index :
         {depth_first ? b.i : b.c, depth_first ? b.j : b.i, depth_first ? b.c : b.j, b.h, b.w}) {
      copy.add(index.size, index.space, index.depth);
    }
    copy.run(context.out_dtype(0), context.template in<void>(0), context.template out<void>(0));
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    const ops::DepthToSpace back{attributes.block, attributes.order};
    scope.set_input_gradient(0, scope.emit(back, {scope.output_gradient(0)})[0]);
  }
};

}  // namespace

PLEAT_OP(DepthToSpaceOp)
PLEAT_OP(SpaceToDepthOp)

}  // namespace pleat
