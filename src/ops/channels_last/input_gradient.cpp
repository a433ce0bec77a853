// dx of a channels-last convolution: a convolution of dy with the kernel reversed, or where the stride is s,
// s^2 of them, each for the positions of one phase (see input_gradient_axis). Depthwise phases run side by
// side, so that rows of dx stay in cache while each phase writes its pixels.

#include <algorithm>

#include "ops/channels_last/algorithms.hpp"
#include "ops/pool_window.hpp"

namespace pleat {
namespace {

/// The positions (out_first + j*out_step) of both axes, j < outputs, and the taps that give to them.
struct Phase {
  ConvAxis y, x;

  bool empty() const { return y.outputs == 0 || x.outputs == 0; }
  bool has_taps() const { return y.taps > 0 && x.taps > 0; }

  /// The convolution of dy that computes them.
  ConvShape shape(const ConvShape& forward) const {
    ConvShape s{.batch = forward.batch,
                .groups = forward.groups,
                .in_channels = forward.out_channels,
                .out_channels = forward.in_channels,
                .in = forward.out,
                .out = {y.outputs, x.outputs},
                .window = {}};
    for (size_t d = 0; d < 2; ++d) {
      const ConvAxis& axis = d == 0 ? y : x;
      s.window.kernel[d] = axis.taps;
      s.window.dilation[d] = axis.spacing;
      s.window.pad_begin[d] = axis.pad;
      s.window.pad_end[d] = axis.outputs + axis.reach() - axis.in - axis.pad;
    }
    return s;
  }
  template <class T>
  FilterView<T> filter(const ConvShape& forward, const T* weight) const {
    const FilterView<T> w = filter_view(forward, weight);
    return {w.data + y.tap_first * w.rows + x.tap_first * w.columns,
            w.groups,
            w.ins,
            w.outs,
            y.tap_step * w.rows,
            x.tap_step * w.columns};
  }
};

struct ConvChannelsLastInputGradientOp {
  using Attributes = ops::ConvChannelsLastInputGradient;
  static constexpr std::string_view name = "conv_channels_last_input_gradient";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    check_channels_last_gradient(name, attributes, in[2]->shape, in[0]->shape, in[1]->shape);
    return {*in[2]};
  }

  /// One phase is all of dx.
  static bool writes_in_place(const ConvShape& shape) {
    return shape.window.stride == std::array<int64_t, 2>{1, 1};
  }
  template <class Body>
  static void for_phases(const ConvShape& shape, const Body& body) {
    for (int64_t py = 0; py < shape.window.stride[0]; ++py) {
      for (int64_t px = 0; px < shape.window.stride[1]; ++px) {
        const Phase phase = {input_gradient_axis(shape, 0, py), input_gradient_axis(shape, 1, px)};
        if (!phase.empty()) body(phase);
      }
    }
  }
  static ConvAlgorithm algorithm(const Attributes& attributes, const ConvShape& shape, const Phase& phase,
                                 int64_t nr) {
    ops::ConvChannelsLast conv;
    conv.precise = attributes.precise;
    conv.trains = true;
    return choose_algorithm(phase.shape(shape), conv, nr);
  }

  // The algorithm's, then a phase's results.
  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    const ConvShape shape = channels_last_shape(attributes, in[2]->shape, in[0]->shape);
    if (DepthwiseConv::fits(shape)) {
      return {static_cast<size_t>(shape.groups * shape.kernel_size()) * size_of(compute), 0};
    }
    Workspace most;
    for_phases(shape, [&](const Phase& phase) {
      if (!phase.has_taps()) return;
      const ConvAlgorithm chosen = algorithm(attributes, shape, phase, panel_columns(compute));
      const Workspace need = packing_workspace(chosen, size_of(compute));
      const size_t results = writes_in_place(shape) ? 0 : result_elements(shape, phase) * size_of(compute);
      most.shared = std::max(most.shared, whole_lines(need.shared) + results);
      most.per_worker = std::max(most.per_worker, need.per_worker);
    });
    return most;
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const ConvShape shape = channels_last_shape(attributes, context.in_shape(2), context.in_shape(0));
    const Shape& x = context.in_shape(2);
    T* const dx = context.out(0);
    bool complete = true;
    for_phases(shape, [&](const Phase& phase) { complete = complete && phase.has_taps(); });
    if (!complete) {
      const int64_t row = x.product(2, 4);
      parallel_for(x.product(0, 2), grain_for(row / 8),
                   [&](int64_t begin, int64_t end) { std::fill(dx + begin * row, dx + end * row, T(0)); });
    }
    if (DepthwiseConv::fits(shape)) return run_depthwise(context, shape, dx);
    for_phases(shape, [&](const Phase& phase) {
      if (!phase.has_taps()) return;
      const ConvAlgorithm chosen = algorithm(attributes, shape, phase, context.kernels.gemm.nr);
      const T* packed = pack_in_run(chosen, context, phase.filter(shape, context.in(0)));
      const ops::Epilogue none;
      ConvOperands<T> operands = {context.in(1), packed, nullptr, nullptr, dx, none};
      const bool apart = !writes_in_place(shape);
      if (apart) {
        const size_t used = whole_lines(packing_workspace(chosen, sizeof(T)).shared);
        operands.y = reinterpret_cast<T*>(context.template workspace<std::byte>() + used);
      }
      std::visit([&](const auto& a) { a.run(context, operands); }, chosen);
      if (apart) place(shape, phase, operands.y, dx);
    });
  }

  static int64_t multiply_adds(const Attributes& attributes, const InputTypes& in) {
    return channels_last_shape(attributes, in[2]->shape, in[0]->shape).multiply_adds();
  }
  static double work(const Attributes& attributes, const InputTypes& in) {
    return static_cast<double>(multiply_adds(attributes, in)) / 16;
  }

 private:
  template <class T>
  static void run_depthwise(const Context<T>& context, const ConvShape& shape, T* dx) {
    const std::array<int64_t, 2>& stride = shape.window.stride;
    const int64_t channels = shape.groups, row = shape.in[1] * channels;
    const T* const packed = pack_phases(context, shape);
    // Row i of the plane stands for the rows [i*stride, (i+1)*stride) of dx.
    const auto plane = pool_plane(shape.window, shape.in,
                                  {divide_up(shape.in[0], stride[0]), divide_up(shape.in[1], stride[1])});
    for_window_bands(plane, shape.batch, channels, [&](int64_t image, const WindowBand& band) {
      for (int64_t i = band.row_begin; i < band.row_end; ++i) {
        const T* weights = packed;
        for_phases(shape, [&](const Phase& phase) {
          if (!phase.has_taps()) return;
          const DepthwiseConv conv{phase.shape(shape)};
          const ops::Epilogue none;
          const ConvOperands<T> operands = {context.in(1),
                                            weights,
                                            nullptr,
                                            nullptr,
                                            dx + phase.y.out_first * row + phase.x.out_first * channels,
                                            none};
          weights += conv.packed_elements();
          if (i >= phase.y.outputs) return;
          conv.run_band(context, operands, {shape.in[0] * row, stride[0] * row, stride[1] * channels}, image,
                        {i, i + 1, band.channel_begin, band.channel_end});
        });
      }
    });
  }
  /// The weights of all phases that have any, one behind the other.
  template <class T>
  static const T* pack_phases(const Context<T>& context, const ConvShape& shape) {
    T* const packed = context.workspace();
    T* to = packed;
    for_phases(shape, [&](const Phase& phase) {
      if (!phase.has_taps()) return;
      const DepthwiseConv conv{phase.shape(shape)};
      conv.pack(context.kernels, phase.filter(shape, context.in(0)), to);
      to += conv.packed_elements();
    });
    return packed;
  }
  static size_t result_elements(const ConvShape& shape, const Phase& phase) {
    return static_cast<size_t>(shape.batch * phase.y.outputs * phase.x.outputs * shape.groups *
                               shape.in_channels);
  }
  template <class T>
  static void place(const ConvShape& shape, const Phase& phase, const T* results, T* dx) {
    const int64_t channels = shape.groups * shape.in_channels, columns = phase.x.outputs;
    parallel_for(shape.batch * phase.y.outputs, grain_for(columns * channels / 4),
                 [&](int64_t begin, int64_t end) {
                   for (int64_t i = begin; i < end; ++i) {
                     const int64_t image = i / phase.y.outputs, row = i % phase.y.outputs;
                     const int64_t y = phase.y.out_first + row * phase.y.out_step;
                     const T* from = results + i * columns * channels;
                     T* to = dx + ((image * shape.in[0] + y) * shape.in[1] + phase.x.out_first) * channels;
                     for (int64_t q = 0; q < columns; ++q, from += channels) {
                       std::copy(from, from + channels, to + q * phase.x.out_step * channels);
                     }
                   }
                 });
  }
};

}  // namespace

PLEAT_OP(ConvChannelsLastInputGradientOp)

}  // namespace pleat
