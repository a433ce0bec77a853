// dweight of a convolution: for each filter element the product of dy and the shifted x, summed over images
// and pixels. The sum is cut into parts, fixed by the sizes, that are computed in parallel and then added in
// order.

#include "base/format.hpp"
#include "ops/context.hpp"
#include "ops/conv_geometry.hpp"

namespace pleat {
namespace {

constexpr int64_t kUnitPixels = 1024;          // dy of a register block stays in L1
constexpr int64_t kSpreadElements = 64 << 10;  // spread planes of a unit stay in L2
constexpr int64_t kFilterRows = 32;            // channels of dy that follow each other over one block of x
constexpr int64_t kTasks = 16;
constexpr int64_t kPartElements = 4 << 20;  // of all partial sums
constexpr int64_t kTaskMultiplyAdds = 1 << 20;

/// Units are images, some at once where they are small, or rows of one where they are large. A part is some
/// units that follow each other; a task is a part's sum for some channels of x.
struct WeightPlan {
  ConvAxis y, x;
  int64_t unit_images, unit_rows, row_units, units, parts, block_in, in_blocks;
  kernels::Spread spread;
  int64_t elements;  ///< of the weight

  int64_t offset_bytes() const { return round_up(block_in * y.taps * x.taps * 8, 64); }
  int64_t part_elements() const { return parts > 1 ? parts * elements : 0; }
};

WeightPlan plan_weights(const ConvShape& shape, int64_t lanes) {
  WeightPlan plan{};
  plan.y = forward_axis(shape, 0);
  plan.x = forward_axis(shape, 1);
  const int64_t pixels = std::max<int64_t>(1, shape.out_plane());
  plan.unit_images = std::clamp<int64_t>(kUnitPixels / pixels, 1, std::max<int64_t>(1, shape.batch));
  const int64_t row_units = plan.unit_images > 1 ? 1 : std::max<int64_t>(1, pixels / kUnitPixels);
  plan.unit_rows = divide_up(shape.out[0], std::min(row_units, shape.out[0]));
  plan.row_units = divide_up(shape.out[0], plan.unit_rows);
  plan.units = divide_up(shape.batch, plan.unit_images) * plan.row_units;
  plan.spread = spread_for(plan.y, plan.x, plan.unit_rows, lanes);
  plan.elements = shape.groups * shape.out_channels * shape.in_channels * shape.kernel_size();
  const int64_t useful = std::max<int64_t>(1, shape.multiply_adds() / kTaskMultiplyAdds);
  plan.parts = std::clamp<int64_t>(std::min(kPartElements / plan.elements, useful), 1,
                                   std::max<int64_t>(1, std::min(kTasks, plan.units)));
  const int64_t most = std::max<int64_t>(1, kSpreadElements / (plan.unit_images * plan.spread.size));
  const int64_t wanted = divide_up(std::min(kTasks, useful), plan.parts * shape.groups);
  plan.in_blocks = std::min(shape.in_channels, std::max(wanted, divide_up(shape.in_channels, most)));
  plan.block_in = divide_up(shape.in_channels, plan.in_blocks);
  plan.in_blocks = divide_up(shape.in_channels, plan.block_in);
  return plan;
}

template <class T>
struct WeightTask {
  const ConvShape& shape;
  const WeightPlan& plan;
  const kernels::KernelTable<T>& kernels;
  const int64_t* offsets;
  T* planes;
  const T *x, *dy;

  void add_unit(int64_t unit, int64_t group, int64_t channel, T* dw, bool accumulate) const {
    const int64_t count = std::min(plan.block_in, shape.in_channels - channel);
    const int64_t first = unit / plan.row_units * plan.unit_images,
                  row = unit % plan.row_units * plan.unit_rows;
    const int64_t images = std::min(plan.unit_images, shape.batch - first);
    const int64_t in_image = shape.groups * shape.in_channels * shape.in_plane();
    const int64_t out_image = shape.groups * shape.out_channels * shape.out_plane();
    const T* from = x + first * in_image + (group * shape.in_channels + channel) * shape.in_plane();
    int64_t image_stride = in_image, pitch = plan.x.in;
    if (shape.in_place) {
      from += row * plan.x.in;
    } else {
      kernels::Spread spread = plan.spread;
      spread.pad_y -= row * spread.stride_y;
      image_stride = count * spread.size;
      pitch = spread.phases_x * spread.pitch;
      for (int64_t n = 0; n < images; ++n) {
        for (int64_t c = 0; c < count; ++c) {
          kernels.conv.spread(spread, from + n * in_image + c * shape.in_plane(), T(0),
                              planes + n * image_stride + c * spread.size);
        }
      }
      from = planes;
    }
    const int64_t filter = shape.in_channels * shape.kernel_size();
    for (int64_t i = 0; i < shape.out_channels; i += kFilterRows) {
      kernels.conv.correlate_weights(
          {.images = images,
           .channels = std::min(kFilterRows, shape.out_channels - i),
           .taps = count * shape.kernel_size(),
           .rows = std::min(plan.unit_rows, shape.out[0] - row),
           .width = shape.out[1],
           .dy = dy + first * out_image + (group * shape.out_channels + i) * shape.out_plane() +
                 row * shape.out[1],
           .dy_image = out_image,
           .dy_stride = shape.out_plane(),
           .dy_pitch = shape.out[1],
           .x = from,
           .offsets = offsets,
           .x_image = image_stride,
           .x_pitch = pitch,
           .dw = dw + (group * shape.out_channels + i) * filter + channel * shape.kernel_size(),
           .dw_stride = filter,
           .accumulate = accumulate});
    }
  }
};

struct ConvWeightGradientOp {
  using Attributes = ops::ConvWeightGradient;
  static constexpr std::string_view name = "conv_weight_gradient";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape y = conv_output(attributes.window, attributes.groups, in[0]->shape, in[2]->shape);
    if (in[1]->shape != y) {
      fail("conv_weight_gradient: needs dy of ", y.str(), ", got ", in[1]->shape.str());
    }
    return {*in[2]};
  }

  static ConvShape shape_of(const Attributes& attributes, const Shape& x, const Shape& weight,
                            int64_t lanes) {
    return conv_shape(attributes.window, attributes.groups, x, weight, lanes);
  }

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    const int64_t lanes = compute == DType::f64 ? kernels::active_table<double>().conv.lanes
                                                : kernels::active_table<float>().conv.lanes;
    const ConvShape shape = shape_of(attributes, in[0]->shape, in[2]->shape, lanes);
    const WeightPlan plan = plan_weights(shape, lanes);
    const auto element = static_cast<int64_t>(size_of(compute));
    const int64_t planes = shape.in_place ? 0 : plan.unit_images * plan.block_in * plan.spread.size;
    return {static_cast<size_t>(plan.offset_bytes() + plan.part_elements() * element),
            static_cast<size_t>(planes * element)};
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const int64_t lanes = context.kernels.conv.lanes;
    const ConvShape shape = shape_of(attributes, context.in_shape(0), context.in_shape(2), lanes);
    const WeightPlan plan = plan_weights(shape, lanes);
    auto* const offsets = context.template workspace<int64_t>();
    tap_offsets(plan.y, plan.x, plan.spread, shape.in_place, plan.block_in, offsets);
    T* const dw = context.out(0);
    T* const partial = reinterpret_cast<T*>(context.template workspace<std::byte>() + plan.offset_bytes());

    const int64_t tasks = plan.parts * shape.groups * plan.in_blocks;
    parallel_for(tasks, grain_for(shape.multiply_adds() / 8 / tasks), [&](int64_t begin, int64_t end) {
      const WeightTask<T> task{
          shape,         plan,         context.kernels, offsets, context.template worker_workspace<T>(),
          context.in(0), context.in(1)};
      for (int64_t t = begin; t < end; ++t) {
        const int64_t channel = t % plan.in_blocks * plan.block_in, group = t / plan.in_blocks % shape.groups;
        const int64_t part = t / plan.in_blocks / shape.groups;
        const int64_t first = part * plan.units / plan.parts, last = (part + 1) * plan.units / plan.parts;
        for (int64_t unit = first; unit < last; ++unit) {
          task.add_unit(unit, group, channel, plan.parts > 1 ? partial + part * plan.elements : dw,
                        unit > first);
        }
      }
    });
    if (shape.batch == 0) std::fill(dw, dw + plan.elements, T(0));
    if (plan.parts == 1) return;
    parallel_for(plan.elements, grain_for(plan.parts), [&](int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) dw[i] = partial[i];
      for (int64_t part = 1; part < plan.parts; ++part) {
        const T* from = partial + part * plan.elements;
        for (int64_t i = begin; i < end; ++i) dw[i] += from[i];
      }
    });
  }

  static int64_t multiply_adds(const Attributes& attributes, const InputTypes& in) {
    return shape_of(attributes, in[0]->shape, in[2]->shape, 1).multiply_adds();
  }
  static double work(const Attributes& attributes, const InputTypes& in) {
    return static_cast<double>(multiply_adds(attributes, in)) / 16;
  }
};

}  // namespace

PLEAT_OP(ConvWeightGradientOp)

}  // namespace pleat
