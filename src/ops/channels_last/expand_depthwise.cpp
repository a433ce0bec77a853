// y = depthwise(act(x weight^T + bias)), of channels-last data: what lies between is made for a few rows and
// a block of channels at a time, and read again before it leaves the first cache.

#include <algorithm>

#include "base/format.hpp"
#include "ops/channels_last/algorithms.hpp"
#include "ops/channels_last/padded_rows.hpp"
#include "ops/channels_last/plane_means.hpp"

namespace pleat {
namespace {

constexpr int64_t kRingElements = 8 << 10;  // of what lies between, in the first cache
constexpr int64_t kGroupPixels = 96;        // fewer would leave weights read too seldom

// How one step is cut: each task makes `rows` output rows of `channels` channels, from expanded rows that are
// made `group` at once, in a ring of `slots` rows: row r is in r % slots.
struct ExpandDepthwise {
  DepthwiseConv depthwise;
  int64_t inputs, nr;
  int64_t channels, rows;
  int64_t group, slots;

  ExpandDepthwise(const ConvShape& shape, int64_t in_channels, int64_t panel)
      : depthwise{shape}, inputs(in_channels), nr(panel) {
    const int64_t width = std::max<int64_t>(1, shape.in[1]);
    group = std::clamp<int64_t>(divide_up(kGroupPixels, width), 1, std::max<int64_t>(1, shape.in[0]));
    slots = round_up(extent(shape.window, 0) + group - 1, group);
    channels = round_up(shape.groups, nr);
    rows = std::max<int64_t>(1, shape.out[0]);
    while (channels > nr && ring_elements() > kRingElements) halve_channels();
    while (parts() * blocks() < kTasks && pixels() * channels * inputs >= 2 * kTaskMultiplyAdds) {
      // Rows that two bands share are made twice: channels are cut first.
      if (channels > nr) {
        halve_channels();
      } else if (rows > 1) {
        rows = divide_up(rows, 2);
      } else {
        break;
      }
    }
  }

  const ConvShape& shape() const { return depthwise.shape; }
  int64_t bands() const { return divide_up(shape().out[0], rows); }
  int64_t blocks() const { return divide_up(shape().groups, channels); }
  int64_t parts() const { return shape().batch * bands(); }  // of the means
  int64_t pixels() const {                                   // that a task expands, at most
    return std::min(shape().in[0], read_rows(shape(), rows)) * shape().in[1];
  }
  int64_t ring_elements() const { return slots * shape().in[1] * channels; }
  int64_t expanding_elements() const { return round_up(shape().groups, nr) * inputs; }
  int64_t packed_elements() const { return expanding_elements() + depthwise.packed_elements(); }

  // Of the expanded image: the rows that `count` output rows from `first` on read.
  int64_t first_row(int64_t first) const {
    return std::clamp<int64_t>(first * shape().window.stride[0] - shape().window.pad_begin[0], 0,
                               shape().in[0]);
  }
  int64_t last_row(int64_t first, int64_t count) const {
    const ops::Window& w = shape().window;
    const int64_t end = first * w.stride[0] - w.pad_begin[0] + read_rows(shape(), count);
    return std::clamp<int64_t>(end, first_row(first), shape().in[0]);
  }

 private:
  void halve_channels() { channels = round_up(channels / 2, nr); }
};

struct ExpandDepthwiseChannelsLastOp {
  using Attributes = ops::ExpandDepthwiseChannelsLast;
  static constexpr std::string_view name = "expand_depthwise_channels_last";
  static constexpr bool packed_only = true;

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const ops::Window pointwise;
    const Shape expanded = conv_output(pointwise, 1, channels_first(in[0]->shape), in[1]->shape);
    const Shape y = conv_output(attributes.window, expanded[1], expanded, in[3]->shape);
    if (in[3]->shape[0] != expanded[1]) {
      fail("conv: needs a depthwise weight of ", expanded[1], " channels, got ", in[3]->shape.str());
    }
    for (const size_t i : {size_t{2}, size_t{4}}) {
      if (i < in.size() && in[i] != nullptr && in[i]->shape != Shape{y[1]}) {
        fail("conv: needs a bias of ", Shape{y[1]}.str(), ", got ", in[i]->shape.str());
      }
    }
    std::vector<ValueType> made = {{in[0]->dtype, channels_last(y)}};
    if (attributes.means) made.push_back({in[0]->dtype, {y[0], 1, 1, y[1]}});
    return made;
  }

  static ExpandDepthwise sizes(const Attributes& attributes, const Shape& x, const Shape& weight,
                               const Shape& depthwise, int64_t nr) {
    return {conv_shape(attributes.window, weight[0], x[0], plane_of(x), depthwise), weight[1], nr};
  }
  static ExpandDepthwise sizes(const Attributes& attributes, const InputTypes& in, DType compute) {
    return sizes(attributes, in[0]->shape, in[1]->shape, in[3]->shape, panel_columns(compute));
  }
  template <class T>
  static ExpandDepthwise sizes(const Attributes& attributes, const Context<T>& context) {
    return sizes(attributes, context.in_shape(0), context.in_shape(1), context.in_shape(3),
                 context.kernels.gemm.nr);
  }

  // Shared: the sums of means. A worker's: the ring.
  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    const ExpandDepthwise cut = sizes(attributes, in, compute);
    const size_t sums = attributes.means ? PlaneMeans<double>::bytes(cut.parts(), cut.shape().groups) : 0;
    return {sums, static_cast<size_t>(cut.ring_elements()) * size_of(compute)};
  }
  static size_t packed_bytes(const Attributes& attributes, const InputTypes& in, DType compute) {
    return static_cast<size_t>(sizes(attributes, in, compute).packed_elements()) * size_of(compute);
  }
  template <class T>
  static void pack(const Attributes& attributes, const Context<T>& context, T* packed) {
    const ExpandDepthwise cut = sizes(attributes, context);
    context.kernels.gemm.pack_b(cut.inputs, cut.shape().groups, context.in(1), 1, cut.inputs, packed);
    cut.depthwise.pack(context.kernels, filter_view(cut.shape(), context.in(3)),
                       packed + cut.expanding_elements());
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const ExpandDepthwise cut = sizes(attributes, context);
    const ConvShape& shape = cut.shape();
    const T* const bias = context.in(2);
    const T* const depthwise_bias = context.in(4);
    const T* const depthwise_weights = context.packed() + cut.expanding_elements();
    std::optional<PlaneMeans<T>> means;
    if (attributes.means) {
      means.emplace(context.kernels, context.out(0), cut.parts(), shape.groups, context.workspace());
    }
    const int64_t tasks = cut.parts() * cut.blocks(), width = shape.in[1];
    const int64_t work = cut.pixels() * cut.channels * (cut.inputs + shape.kernel_size()) / 32;
    parallel_for(tasks, grain_for(work), [&](int64_t begin, int64_t end) {
      T* const ring = context.worker_workspace();
      for (int64_t i = begin; i < end; ++i) {
        const int64_t channel = i % cut.blocks() * cut.channels, part = i / cut.blocks();
        const int64_t image = part / cut.bands();
        const int64_t channels = std::min(cut.channels, shape.groups - channel);
        const int64_t row = part % cut.bands() * cut.rows;
        const int64_t rows = std::min(cut.rows, shape.out[0] - row);
        const int64_t end = cut.last_row(row, rows), none = 0;
        int64_t made = cut.first_row(row);
        std::optional<PendingRows<T>> sums;
        if (means) sums.emplace(*means, part, channel, channels);
        const kernels::Epilogue<T> e =
            channels_last_epilogue<T>(attributes.expand, bias, nullptr, 0, 0, channel);
        for (int64_t r = row; r < row + rows; ++r) {
          for (const int64_t needed = cut.last_row(r, 1); made < needed;) {
            const int64_t next = std::min((made / cut.group + 1) * cut.group, end);
            context.kernels.channels_last.product(
                {.rows = (next - made) * width,
                 .columns = channels,
                 .taps = 1,
                 .depth = cut.inputs,
                 .x = context.in(0) + (image * shape.in[0] + made) * width * cut.inputs,
                 .pixels = nullptr,
                 .offsets = &none,
                 .weights = context.packed() + channel * cut.inputs,
                 .y = ring + made % cut.slots * width * channels,
                 .y_stride = channels,
                 .epilogue = &e,
                 .pixel_stride = cut.inputs});
            made = next;
          }
          const int64_t pixel = (image * shape.out[0] + r) * shape.out[1];
          cut.depthwise.run_row(context.kernels, r, channels,
                                {ring, 0, width * channels, channels, cut.slots}, depthwise_weights + channel,
                                context.out(0) + pixel * shape.groups + channel, shape.groups,
                                channels_last_epilogue<T>(attributes.epilogue, depthwise_bias, nullptr, pixel,
                                                          shape.groups, channel));
          if (sums) sums->add(pixel, shape.out[1], r + 1 == row + rows);
        }
      }
    });
    if (means) means->join(context, shape.batch, shape.out_plane(), context.out(1));
  }

  static int64_t multiply_adds(const Attributes& attributes, const InputTypes& in) {
    const Shape& x = in[0]->shape;
    return x.product(0, 3) * in[1]->shape.numel() + sizes(attributes, in, DType::f32).shape().multiply_adds();
  }
  static double work(const Attributes& attributes, const InputTypes& in) {
    return static_cast<double>(multiply_adds(attributes, in)) / 16;
  }
};

}  // namespace

PLEAT_OP(ExpandDepthwiseChannelsLastOp)

}  // namespace pleat
