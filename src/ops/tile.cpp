// y[i_0, i_1, ...] = x[i_0 mod n_0, i_1 mod n_1, ...]: x `repeats` times along each of its dimensions n_d.

#include "base/format.hpp"
#include "ops/axis_taps.hpp"
#include "ops/context.hpp"
#include "ops/known.hpp"
#include "ops/strided_copy.hpp"

namespace pleat {
namespace {

Shape tiled_shape(const Shape& x, const InputTypes& in, size_t repeats_input) {
  check_rank("tile", x);
  check_integers(in, repeats_input, "repeats");
  const KnownElements repeats(in, repeats_input);
  if (repeats.size() != x.rank() && repeats.size() != kDynamic) {
    fail("tile: needs ", x.rank(), " repeats for ", x.str(), ", got ", repeats.size());
  }
  Shape y = x;
  for (int d = 0; d < x.rank(); ++d) {
    const bool known = repeats.size() != kDynamic && repeats.known(d);
    if (known && repeats.integer(d) < 0) fail("tile: cannot repeat ", repeats.integer(d), " times");
    y[d] = known ? Shape{x[d], repeats.integer(d)}.numel() : kDynamic;
    if (known && repeats.integer(d) == 1) y[d] = x[d];
  }
  return y;
}

struct TileOp {
  using Attributes = ops::Tile;
  static constexpr std::string_view name = "tile";
  static constexpr KnownRule known_rule = KnownRule::moves;

  static std::vector<int> shape_inputs(const Attributes&) { return {1}; }

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    return {{in[0]->dtype, tiled_shape(in[0]->shape, in, 1)}};
  }

  template <class T>
  static void run(const Attributes&, const Context<T>& context) {
    const Shape &x = context.in_shape(0), &y = context.out_shape(0);
    if (y.numel() == 0) return;
    const auto of_x = strides_of(x), of_y = strides_of(y);
    StridedCopy copy;
    for (int d = 0; d < x.rank(); ++d) {
      const auto at = static_cast<size_t>(d);
      copy.add(y[d] / x[d], 0, x[d] * of_y[at]);
      copy.add(x[d], of_x[at], of_y[at]);
    }
    copy.run(context.out_dtype(0), context.template in<void>(0), context.template out<void>(0));
  }

  static void gradient(const Attributes&, GradientScope& scope) {
    scope.set_input_gradient(
        0, scope.emit(ops::TileGradient{}, {scope.output_gradient(0), scope.input(0), scope.input(1)})[0]);
  }
};

// dx[j] = sum of dy over every place that j was repeated to.
struct TileGradientOp {
  using Attributes = ops::TileGradient;
  static constexpr std::string_view name = "tile_gradient";

  static std::vector<int> shape_inputs(const Attributes&) { return {2}; }

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    return {{in[0]->dtype, in[1]->shape}};
  }

  static AxisMaps maps(const Shape& x, const Shape& y) {
    AxisMaps maps(x, y, /*transposed=*/true);
    for (int d = 0; d < x.rank(); ++d) {
      if (x[d] != y[d]) maps.add(d, y[d]);
    }
    return maps;
  }

  static Workspace workspace(const Attributes&, const InputTypes& in, DType compute) {
    return {maps(in[1]->shape, in[0]->shape).workspace_bytes(size_of(compute)), 0};
  }

  template <class T>
  static void run(const Attributes&, const Context<T>& context) {
    const Shape &x = context.out_shape(0), &y = context.in_shape(0);
    const auto repeat = [&](int dim, AxisTaps<T>& taps) {
      for (int64_t i = 0; i < y[dim]; ++i) {
        taps.add(i % x[dim], T(1));
        taps.end_row();
      }
    };
    maps(x, y).run<T>(repeat, T(0), context.workspace(), context.in(0), context.out(0));
  }
};

}  // namespace

PLEAT_OP(TileOp)
PLEAT_OP(TileGradientOp)

}  // namespace pleat
