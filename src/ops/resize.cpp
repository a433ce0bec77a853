// x resized as ONNX's Resize does: each element of y lies at a place on x (see resize_geometry.cpp), and is
// the nearest element there, or a weighted sum of those around it, one dimension after another.

#include "base/format.hpp"
#include "ops/axis_gather.hpp"
#include "ops/axis_taps.hpp"
#include "ops/context.hpp"
#include "ops/resize_geometry.hpp"

namespace pleat {
namespace {

using ops::ResizeMode;

const ValueType* unless_empty(const ValueType* type) {
  return type != nullptr && type->shape.numel() == 0 ? nullptr : type;
}
// From input `first` on.
ResizeInputs resize_inputs(const InputTypes& in, size_t first) {
  const auto input = [&](size_t i) { return unless_empty(i < in.size() ? in[i] : nullptr); };
  return {input(first), input(first + 1), input(first + 2)};
}

// The axes at a run, with their regions of interest.
template <class T>
ResizeAxes axes_of_run(const ops::Resize& attributes, const Shape& x, const Context<T>& context, int first) {
  const ResizeInputs inputs = {unless_empty(context.in_type(first)), unless_empty(context.in_type(first + 1)),
                               unless_empty(context.in_type(first + 2))};
  ResizeAxes axes = resize_axes(attributes, x, inputs);
  if (inputs.roi != nullptr) {
    set_regions(attributes, x.rank(), inputs.roi->dtype, context.template in<void>(first), axes);
  }
  return axes;
}

AxisMaps resize_maps(const ops::Resize& attributes, const Shape& x, const Shape& y, const ResizeAxes& axes,
                     bool transposed) {
  AxisMaps maps(x, y, transposed);
  for (int d = 0; d < x.rank(); ++d) {
    const ResizeAxis& axis = axes[static_cast<size_t>(d)];
    if (!axis.mapped) continue;
    const bool nearest = attributes.mode == ResizeMode::nearest;
    maps.add(d, axis.out * (nearest ? 1 : ResizeWindow::size(attributes, axis)));
  }
  return maps;
}

template <class T>
void write_taps(const ops::Resize& attributes, const ResizeAxis& axis, AxisTaps<T>& taps) {
  for (int64_t i = 0; i < axis.out; ++i) {
    if (attributes.mode == ResizeMode::nearest) {
      const int64_t source = nearest_source(attributes, axis, i);
      if (source >= 0) taps.add(source, T(1));
    } else {
      const ResizeWindow window(attributes, axis, i);
      const int64_t size = window.is_outside() ? 0 : ResizeWindow::size(attributes, axis);
      for (int64_t k = 0; k < size; ++k) taps.add(window.source(k), static_cast<T>(window.weight(k)));
    }
    taps.end_row();
  }
}

struct ResizeOp {
  using Attributes = ops::Resize;
  static constexpr std::string_view name = "resize";

  static std::vector<int> shape_inputs(const Attributes&) { return {2, 3}; }

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const ResizeAxes axes = check_resize(attributes, *in[0], resize_inputs(in, 1));
    Shape y = in[0]->shape;
    for (int d = 0; d < y.rank(); ++d) y[d] = axes[static_cast<size_t>(d)].out;
    return {{in[0]->dtype, y}};
  }

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    const Shape& x = in[0]->shape;
    const ResizeAxes axes = resize_axes(attributes, x, resize_inputs(in, 1));
    Shape y = x;
    int64_t places = 0;
    for (int d = 0; d < x.rank(); ++d) {
      y[d] = axes[static_cast<size_t>(d)].out;
      places += y[d];
    }
    if (attributes.mode == ResizeMode::nearest) return {static_cast<size_t>(places) * sizeof(int64_t), 0};
    return {resize_maps(attributes, x, y, axes, false).workspace_bytes(size_of(compute)), 0};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Shape &x = context.in_shape(0), &y = context.out_shape(0);
    if (y.numel() == 0) return;
    const ResizeAxes axes = axes_of_run(attributes, x, context, 1);
    if (attributes.mode == ResizeMode::nearest) return run_nearest(attributes, axes, context);
    const auto fill = [&](int dim, AxisTaps<T>& taps) {
      write_taps(attributes, axes[static_cast<size_t>(dim)], taps);
    };
    resize_maps(attributes, x, y, axes, false)
        .template run<T>(fill, static_cast<T>(attributes.extrapolation), context.workspace(), context.in(0),
                         context.out(0));
  }

  template <class T>
  static void run_nearest(const Attributes& attributes, const ResizeAxes& axes, const Context<T>& context) {
    const DType dtype = context.out_dtype(0);
    auto* table = context.template workspace<int64_t>();
    AxisGather gather;
    for (int d = 0; d < context.in_shape(0).rank(); ++d) {
      const ResizeAxis& axis = axes[static_cast<size_t>(d)];
      gather.add(axis.in, axis.out, axis.mapped ? table : nullptr);
      for (int64_t i = 0; axis.mapped && i < axis.out; ++i) *table++ = nearest_source(attributes, axis, i);
    }
    with_element_type<T>(dtype, [&]<class U>(U*) {
      const U outside = static_cast<U>(attributes.extrapolation);
      gather.run(dtype, &outside, context.template in<void>(0), context.template out<void>(0));
    });
  }

  static void gradient(const Attributes& attributes, GradientScope& scope) {
    scope.set_input_gradient(
        0, scope.emit(ops::ResizeGradient{attributes}, {scope.output_gradient(0), scope.input(0),
                                                        scope.input(1), scope.input(2), scope.input(3)})[0]);
  }
};

// dx[j] = sum over the places i that x's j has a weight in: weight * dy[i].
struct ResizeGradientOp {
  using Attributes = ops::ResizeGradient;
  static constexpr std::string_view name = "resize_gradient";

  static std::vector<int> shape_inputs(const Attributes&) { return {3, 4}; }

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const ResizeAxes axes = check_resize(attributes.forward, *in[1], resize_inputs(in, 2));
    for (int d = 0; d < in[1]->shape.rank(); ++d) {
      const int64_t given = in[0]->shape[d], needed = axes[static_cast<size_t>(d)].out;
      if (given != needed && given != kDynamic && needed != kDynamic) {
        fail("resize_gradient: needs dy of size ", needed, " along dim ", d, ", got ", in[0]->shape.str());
      }
    }
    return {{in[0]->dtype, in[1]->shape}};
  }

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    const Shape& x = in[1]->shape;
    const ResizeAxes axes = resize_axes(attributes.forward, x, resize_inputs(in, 2));
    return {resize_maps(attributes.forward, x, in[0]->shape, axes, true).workspace_bytes(size_of(compute)),
            0};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const Shape& x = context.out_shape(0);
    const ResizeAxes axes = axes_of_run(attributes.forward, x, context, 2);
    const auto fill = [&](int dim, AxisTaps<T>& taps) {
      write_taps(attributes.forward, axes[static_cast<size_t>(dim)], taps);
    };
    resize_maps(attributes.forward, x, context.in_shape(0), axes, true)
        .template run<T>(fill, T(0), context.workspace(), context.in(0), context.out(0));
  }
};

}  // namespace

PLEAT_OP(ResizeOp)
PLEAT_OP(ResizeGradientOp)

}  // namespace pleat
