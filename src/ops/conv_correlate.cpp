#include "ops/conv_correlate.hpp"

namespace pleat {
namespace {

constexpr int64_t kBlockTaps = 512;            // rows of the implicit matrix in a block: panels stay in L1
constexpr int64_t kSpreadElements = 96 << 10;  // spread planes of a task stay in L2
constexpr int64_t kColumnElements = 64 << 10;
constexpr int64_t kFilterElements = 32 << 10;
constexpr int64_t kTasks = 16;  // enough for the threads there may be
constexpr int64_t kTaskMultiplyAdds = 1 << 20;

// The largest number of channels up to `most` that makes equal blocks of `channels`.
int64_t even_block(int64_t channels, int64_t most) {
  most = std::max<int64_t>(1, std::min(most, channels));
  return divide_up(channels, divide_up(channels, most));
}

// Packing columns for GEMM costs a pass over them, which this many channels repay; GEMM then leaves no vector
// partly used where rows end.
constexpr int64_t kColumnsChannels = 64;

void choose_rows(CorrelationPlan& plan, int64_t lanes) {
  const auto elements = [&] {
    return plan.in_place ? 0 : plan.block_in * spread_for(plan.y, plan.x, plan.block_rows, lanes).size;
  };
  const auto tasks = [&] { return plan.batch * plan.groups * divide_up(plan.y.outputs, plan.block_rows); };
  const int64_t per_row = plan.x.outputs * plan.channels * plan.in_channels * plan.taps();
  plan.block_rows = std::max<int64_t>(1, plan.y.outputs);
  while (plan.block_rows > 1 &&
         (elements() > kSpreadElements || (tasks() < kTasks && plan.block_rows * plan.x.outputs >= 128 &&
                                           plan.block_rows * per_row >= 2 * kTaskMultiplyAdds))) {
    plan.block_rows = divide_up(plan.block_rows, 2);
  }
  plan.task_channels = plan.channels;
  while (tasks() * divide_up(plan.channels, plan.task_channels) < kTasks && plan.task_channels >= 64 &&
         plan.block_rows * per_row / divide_up(plan.channels, plan.task_channels) >= 2 * kTaskMultiplyAdds) {
    plan.task_channels = round_up(divide_up(plan.task_channels, 2), plan.tile);
  }
}

template <class T>
struct Task {
  const CorrelationPlan& plan;
  const kernels::KernelTable<T>& kernels;
  const int64_t* offsets;
  const T* pad;
  T *planes, *columns, *phase;

  int64_t image, group, first_row, rows, first_channel, channels;

  // Spreads the planes of summed channels [first, first + count); where they can then be read.
  const T* spread(const T* x, int64_t first, int64_t count) const {
    const int64_t plane = plan.y.in * plan.x.in;
    const T* from = x + ((image * plan.groups + group) * plan.in_channels + first) * plane;
    if (plan.in_place) return from + first_row * plan.x.in;
    kernels::Spread s = plan.spread;
    s.pad_y -= first_row * s.stride_y;
    for (int64_t c = 0; c < count; ++c) {
      const T value = pad == nullptr ? T(0) : pad[group * plan.in_channels + first + c];
      kernels.conv.spread(s, from + c * plane, value, planes + c * s.size);
    }
    return planes;
  }

  int64_t pitch() const { return plan.in_place ? plan.x.in : plan.spread.phases_x * plan.spread.pitch; }

  void add_direct(int64_t taps, const T* x, const T* packed, T* y, int64_t stride, bool accumulate,
                  const kernels::Epilogue<T>* epilogue) const {
    for (int64_t i = 0; i < channels; i += plan.block_channels) {
      kernels::Epilogue<T> e;
      if (epilogue != nullptr) {
        e = *epilogue;
        if (e.row_bias != nullptr) e.row_bias += i;
        if (e.residual != nullptr) e.residual += i * e.residual_stride;
      }
      const kernels::Correlation<T> c{.channels = std::min(plan.block_channels, channels - i),
                                      .taps = taps,
                                      .rows = rows,
                                      .width = plan.x.outputs,
                                      .weights = packed + i * taps,
                                      .x = x,
                                      .offsets = offsets,
                                      .x_pitch = pitch(),
                                      .y = y + i * stride,
                                      .y_stride = stride,
                                      .y_pitch = plan.x.outputs,
                                      .accumulate = accumulate,
                                      .epilogue = epilogue != nullptr ? &e : nullptr};
      plan.tile == 1 ? kernels.conv.correlate_plane(c) : kernels.conv.correlate(c);
    }
  }

  void add_columns(int64_t taps, const T* x, const T* packed, T* y, int64_t stride, bool accumulate,
                   const kernels::Epilogue<T>* epilogue) const {
    const int64_t pixels = rows * plan.x.outputs;
    for (int64_t j = 0; j < pixels; j += plan.block_columns) {
      const int64_t end = std::min(pixels, j + plan.block_columns);
      if (plan.in_place) {
        kernels.gemm.pack_b(taps, end - j, x + j, plan.y.in * plan.x.in, 1, columns);
      } else {
        kernels.conv.pack_columns(kernels.gemm.nr, taps, offsets, x, plan.x.outputs, pitch(), j, end,
                                  columns);
      }
      for (int64_t i = 0; i < channels; i += plan.block_channels) {
        kernels::Epilogue<T> e;
        if (epilogue != nullptr) {
          e = *epilogue;
          if (e.row_bias != nullptr) e.row_bias += i;
          if (e.residual != nullptr) e.residual += i * e.residual_stride + j;
        }
        kernels.gemm.multiply(std::min(plan.block_channels, channels - i), end - j, taps, packed + i * taps,
                              columns, y + i * stride + j, stride, accumulate,
                              epilogue != nullptr ? &e : nullptr);
      }
    }
  }

  void run(const T* x, const T* packed, T* result, const T* bias, const T* residual,
           const ops::Epilogue& epilogue) const {
    const int64_t out_plane = plan.out_height * plan.out_width;
    const int64_t channel = group * plan.channels + first_channel;
    const int64_t at = (image * plan.groups * plan.channels + channel) * out_plane;
    const bool direct_store = !plan.strided_output();
    const int64_t row_at = at + first_row * plan.x.outputs;
    T* y = direct_store ? result + row_at : phase;
    const int64_t stride = direct_store ? out_plane : rows * plan.x.outputs;
    const kernels::Epilogue<T> last = epilogue_at(epilogue, bias, channel, residual, row_at, out_plane);
    const T* filter = packed + group * round_up(plan.channels, plan.tile) * plan.in_channels * plan.taps();
    for (int64_t c = 0; c < plan.in_channels; c += plan.block_in) {
      const int64_t count = std::min(plan.block_in, plan.in_channels - c), taps = count * plan.taps();
      const T* from = taps > 0 ? spread(x, c, count) : x;
      const auto* e = c + count == plan.in_channels ? &last : nullptr;
      const T* weights = filter + c * plan.taps() * round_up(plan.channels, plan.tile) + first_channel * taps;
      if (plan.columns) {
        add_columns(taps, from, weights, y, stride, c > 0, e);
      } else {
        add_direct(taps, from, weights, y, stride, c > 0, e);
      }
    }
    if (direct_store) return;
    for (int64_t i = 0; i < channels; ++i) {
      place_phase(plan, first_row, rows, phase + i * stride, result + at + i * out_plane);
    }
  }
};

// The parts of a worker's scratch, in elements.
struct Scratch {
  int64_t planes, columns, phase;
};

Scratch scratch_for(const CorrelationPlan& plan) {
  return {plan.in_place ? 0 : round_up(plan.block_in * plan.spread.size, 16),
          plan.columns ? round_up(plan.block_in * plan.taps() * plan.block_columns + 16, 16) : 0,
          plan.strided_output() ? round_up(plan.task_channels * plan.block_rows * plan.x.outputs, 16) : 0};
}

}  // namespace

int64_t CorrelationPlan::scratch_elements() const {
  const Scratch s = scratch_for(*this);
  return s.planes + s.columns + s.phase;
}

template <class T>
CorrelationPlan plan_correlation(const kernels::KernelTable<T>& kernels, const ConvShape& shape,
                                 const ConvAxis& y, const ConvAxis& x, bool gradient) {
  const int64_t lanes = kernels.conv.lanes, size = shape.kernel_size();
  CorrelationPlan plan{};
  plan.y = y;
  plan.x = x;
  const int64_t group = shape.out_channels * shape.in_channels * size;
  if (gradient) {
    plan.filter = {group, size, shape.in_channels * size, shape.window.kernel[1]};
    plan.in_channels = shape.out_channels;
    plan.channels = shape.in_channels;
  } else {
    plan.filter = {group, shape.in_channels * size, size, shape.window.kernel[1]};
    plan.in_channels = shape.in_channels;
    plan.channels = shape.out_channels;
  }
  plan.batch = shape.batch;
  plan.groups = shape.groups;
  plan.out_height = gradient ? shape.in[0] : shape.out[0];
  plan.out_width = gradient ? shape.in[1] : shape.out[1];
  plan.in_place = shape.in_place;
  plan.columns = plan.channels >= kColumnsChannels && plan.taps() > 0;
  plan.tile = plan.channels == 1 ? 1 : plan.columns ? kernels.gemm.mr : kernels.conv.tile;

  const int64_t taps = std::max<int64_t>(1, plan.taps());
  const int64_t row = spread_for(y, x, 1, lanes).size;
  plan.block_in = even_block(plan.in_channels, std::min(kBlockTaps / taps, kSpreadElements / row));
  choose_rows(plan, lanes);
  plan.spread = spread_for(y, x, plan.block_rows, lanes);
  plan.block_channels = std::max(plan.tile, kFilterElements / (plan.block_in * taps) / plan.tile * plan.tile);
  plan.block_columns = round_up(std::min(std::max<int64_t>(1, plan.block_rows * x.outputs),
                                         std::max<int64_t>(1, kColumnElements / (plan.block_in * taps))),
                                kernels.gemm.nr);
  return plan;
}

template <class T>
void pack_filter(const CorrelationPlan& plan, const T* filter, T* packed) {
  const int64_t panels = divide_up(plan.channels, plan.tile), size = plan.tile * plan.taps();
  parallel_for(plan.groups * panels, grain_for(size * plan.in_channels), [&](int64_t begin, int64_t end) {
    for (int64_t p = begin; p < end; ++p) {
      const int64_t first = p % panels * plan.tile;
      const T* from = filter + p / panels * plan.filter.group + first * plan.filter.channel;
      T* group = packed + p / panels * panels * size * plan.in_channels;
      for (int64_t c = 0; c < plan.in_channels; ++c) {
        const int64_t block = c / plan.block_in * plan.block_in;
        const int64_t count = std::min(plan.block_in, plan.in_channels - block);
        T* to = group + (block * panels + p % panels * count + (c - block)) * size;
        for (int64_t ty = 0; ty < plan.y.taps; ++ty) {
          for (int64_t tx = 0; tx < plan.x.taps; ++tx) {
            const T* element = from + c * plan.filter.summed +
                               (plan.y.tap_first + ty * plan.y.tap_step) * plan.filter.kernel_width +
                               plan.x.tap_first + tx * plan.x.tap_step;
            for (int64_t i = 0; i < plan.tile; ++i) {
              *to++ = first + i < plan.channels ? element[i * plan.filter.channel] : T(0);
            }
          }
        }
      }
    }
  });
}

template <class T>
void run_correlation(const CorrelationPlan& plan, const Context<T>& context, const T* x, const T* packed,
                     const int64_t* offsets, T* result, const T* bias, const T* residual,
                     const ops::Epilogue& epilogue, const T* pad) {
  const Scratch scratch = scratch_for(plan);
  const int64_t row_blocks = divide_up(plan.y.outputs, plan.block_rows);
  const int64_t channel_blocks = divide_up(plan.channels, plan.task_channels);
  const int64_t tasks = plan.batch * plan.groups * row_blocks * channel_blocks;
  parallel_for(tasks, grain_for(plan.work() / 8 / std::max<int64_t>(1, tasks)),
               [&](int64_t begin, int64_t end) {
                 T* const own = context.template worker_workspace<T>();
                 for (int64_t t = begin; t < end; ++t) {
                   const int64_t channel = t % channel_blocks * plan.task_channels;
                   const int64_t row = t / channel_blocks % row_blocks * plan.block_rows;
                   const int64_t plane = t / channel_blocks / row_blocks;
                   Task<T>{.plan = plan,
                           .kernels = context.kernels,
                           .offsets = offsets,
                           .pad = pad,
                           .planes = own,
                           .columns = own + scratch.planes,
                           .phase = own + scratch.planes + scratch.columns,
                           .image = plane / plan.groups,
                           .group = plane % plan.groups,
                           .first_row = row,
                           .rows = std::min(plan.block_rows, plan.y.outputs - row),
                           .first_channel = channel,
                           .channels = std::min(plan.task_channels, plan.channels - channel)}
                       .run(x, packed, result, bias, residual, epilogue);
                 }
               });
}

#define PLEAT_CORRELATE(T)                                                                        \
  template CorrelationPlan plan_correlation<T>(const kernels::KernelTable<T>&, const ConvShape&,  \
                                               const ConvAxis&, const ConvAxis&, bool);           \
  template void pack_filter<T>(const CorrelationPlan&, const T*, T*);                             \
  template void run_correlation<T>(const CorrelationPlan&, const Context<T>&, const T*, const T*, \
                                   const int64_t*, T*, const T*, const T*, const ops::Epilogue&, const T*);
PLEAT_CORRELATE(float)
PLEAT_CORRELATE(double)
#undef PLEAT_CORRELATE

}  // namespace pleat
