// y[i] = x[start + i * step] along each of the axes, for as long as that lies before `end`; negative starts
// and ends count from the axis' end, and both are moved to where elements are.

#include <algorithm>
#include <limits>

#include "base/format.hpp"
#include "ops/context.hpp"
#include "ops/known.hpp"
#include "ops/strided_copy.hpp"

namespace pleat {
namespace {

// What is taken of one dimension.
struct Cut {
  int64_t start = 0, step = 1, size = 0;
};

Cut cut_of(int64_t n, int64_t start, int64_t end, int64_t step) {
  if (n == 0) return {};
  if (start < 0) start += n;
  if (end < 0) end += n;
  const bool forward = step > 0;
  start = std::clamp<int64_t>(start, 0, forward ? n : n - 1);
  end = std::clamp<int64_t>(end, forward ? 0 : -1, forward ? n : n - 1);
  const int64_t length = forward ? end - start : start - end;
  const int64_t stride = forward ? step : -std::max(step, -std::numeric_limits<int64_t>::max());
  const int64_t size = length <= 0 ? 0 : (length - 1) / stride + 1;
  return {start, size > 1 ? step : 1, size};  // a step that is not taken may be of any size
}

// The inputs after x: starts, ends, axes?, steps?, as they stand from input `first` on.
struct Bounds {
  KnownElements starts, ends, axes, steps;

  Bounds(const InputTypes& in, size_t first)
      : starts(in, first), ends(in, first + 1), axes(in, first + 2), steps(in, first + 3) {}
  template <class T>
  Bounds(const Context<T>& context, int first)
      : starts(context.in_type(first)),
        ends(context.in_type(first + 1)),
        axes(context.in_type(first + 2)),
        steps(context.in_type(first + 3)) {}

  // For each of x's dimensions; of size kDynamic where that is not known.
  std::array<Cut, kMaxRank> cuts(const Shape& x) const {
    std::array<Cut, kMaxRank> cuts{};
    const bool placed = starts.size() != kDynamic && axes.all_known();
    for (int d = 0; d < x.rank(); ++d) cuts[static_cast<size_t>(d)].size = placed ? x[d] : kDynamic;
    for (int64_t i = 0; placed && i < starts.size(); ++i) {
      const int64_t axis = axes.size() == 0 ? i : axes.integer(i);
      const int64_t d = axis < 0 ? axis + x.rank() : axis;
      Cut& cut = cuts[static_cast<size_t>(d)];
      const bool known = starts.known(i) && ends.known(i) && (steps.size() == 0 || steps.known(i));
      if (known && x[static_cast<int>(d)] != kDynamic) {
        const int64_t step = steps.size() == 0 ? 1 : steps.integer(i);
        cut = cut_of(x[static_cast<int>(d)], starts.integer(i), ends.integer(i), step);
      } else {
        cut.size = kDynamic;
      }
    }
    return cuts;
  }
};

Shape sliced_shape(std::string_view op, const Shape& x, const InputTypes& in, size_t first) {
  check_rank(op, x);
  check_integers(in, first, "starts");
  check_integers(in, first + 1, "ends");
  check_integers(in, first + 2, "axes");
  check_integers(in, first + 3, "steps");
  const Bounds bounds(in, first);
  const int64_t count = bounds.starts.size();
  for (const KnownElements* other : {&bounds.ends, &bounds.axes, &bounds.steps}) {
    const bool absent = other->size() == 0 && other != &bounds.ends;
    if (other->size() != count && other->size() != kDynamic && count != kDynamic && !absent) {
      fail(op, ": needs as many ends, axes and steps as starts, got ", other->size(), " and ", count);
    }
  }
  if (bounds.axes.size() > 0) {
    known_axes(in[first + 2], x.rank(), op.data());
  } else if (count > x.rank()) {
    fail(op, ": ", count, " starts are too many for ", x.str());
  }
  for (int64_t i = 0; i < bounds.steps.size(); ++i) {
    if (bounds.steps.known(i) && bounds.steps.integer(i) == 0) fail(op, ": a step must not be 0");
  }
  Shape y = x;
  const auto cuts = bounds.cuts(x);
  for (int d = 0; d < x.rank(); ++d) y[d] = cuts[static_cast<size_t>(d)].size;
  return y;
}

// The elements that are taken, between x, with its strides, and y; and where the first stands in x.
struct Taken {
  StridedCopy out_of_x, into_x;
  int64_t first = 0;

  Taken(const Shape& x, const Shape& y, const std::array<Cut, kMaxRank>& cuts) {
    const auto of_x = strides_of(x), of_y = strides_of(y);
    for (size_t d = 0; d < static_cast<size_t>(x.rank()); ++d) {
      const int64_t stride = cuts[d].step * of_x[d];
      out_of_x.add(cuts[d].size, stride, of_y[d]);
      into_x.add(cuts[d].size, of_y[d], stride);
      first += cuts[d].start * of_x[d];
    }
  }
};

struct StridedSliceOp {
  using Attributes = ops::StridedSlice;
  static constexpr std::string_view name = "strided_slice";
  static constexpr KnownRule known_rule = KnownRule::moves;

  static std::vector<int> shape_inputs(const Attributes&) { return {1, 2, 3, 4}; }

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    return {{in[0]->dtype, sliced_shape(name, in[0]->shape, in, 1)}};
  }

  template <class T>
  static void run(const Attributes&, const Context<T>& context) {
    const Shape &x = context.in_shape(0), &y = context.out_shape(0);
    const Taken taken(x, y, Bounds(context, 1).cuts(x));
    const auto* from = context.template in<std::byte>(0);
    const int64_t element = static_cast<int64_t>(size_of(context.out_dtype(0)));
    if (y.numel() == 0) return;
    taken.out_of_x.run(context.out_dtype(0), from + taken.first * element, context.template out<void>(0));
  }

  static void gradient(const Attributes&, GradientScope& scope) {
    std::vector<ValueId> inputs = {scope.output_gradient(0)};
    for (int i = 0; i < scope.input_count(); ++i) inputs.push_back(scope.input(i));
    scope.set_input_gradient(0, scope.emit(ops::StridedSliceGradient{}, inputs)[0]);
  }
};

// dx is dy where x's element was taken, else 0.
struct StridedSliceGradientOp {
  using Attributes = ops::StridedSliceGradient;
  static constexpr std::string_view name = "strided_slice_gradient";

  static std::vector<int> shape_inputs(const Attributes&) { return {2, 3, 4, 5}; }

  static std::vector<ValueType> infer(const Attributes&, const InputTypes& in) {
    const Shape y = sliced_shape(name, in[1]->shape, in, 2);
    if (y.is_static() && in[0]->shape.is_static() && y != in[0]->shape) {
      fail("strided_slice_gradient: needs dy of ", y.str(), ", got ", in[0]->shape.str());
    }
    return {{in[0]->dtype, in[1]->shape}};
  }

  template <class T>
  static void run(const Attributes&, const Context<T>& context) {
    const Shape &x = context.out_shape(0), &dy = context.in_shape(0);
    const Taken taken(x, dy, Bounds(context, 2).cuts(x));
    T* dx = context.out(0);
    parallel_for(x.numel(), grain_for(1), [&](int64_t begin, int64_t end) {
      context.kernels.elementwise.fill(end - begin, T(0), dx + begin);
    });
    if (dy.numel() > 0) taken.into_x.run(context.out_dtype(0), context.in(0), dx + taken.first);
  }
};

}  // namespace

PLEAT_OP(StridedSliceOp)
PLEAT_OP(StridedSliceGradientOp)

}  // namespace pleat
