#include "base/format.hpp"
#include "base/random.hpp"
#include "support/op_case.hpp"

namespace pleat::test {
namespace {

CaseInput constant(const Shape& shape) {
  CaseInput input = {.shape = shape, .differentiate = false};
  Random random(5);
  for (int64_t i = 0; i < shape.numel(); ++i) input.values.push_back(random.uniform(-1, 1));
  return input;
}

struct Options {
  int64_t stride = 1, dilation = 1, groups = 1, pad = 0, more_pad_end = 0;
  bool bias = true, residual = false, precise = false, planar = false, average = false, trains = false;
  int64_t gates = 0;  // images that have one; 0: no gate
  Activation activation = Activation::none;
};

// x (N, H, W, C)
OpCase conv_case(const Shape& x, int64_t channels, int64_t kernel, const Options& o = {}) {
  ops::ConvChannelsLast conv;
  conv.groups = o.groups;
  conv.epilogue = {o.activation, 0.1};
  conv.precise = o.precise;
  conv.planar = o.planar;
  conv.global_average = o.average;
  conv.trains = o.trains;
  conv.gated = o.gates > 0;
  Shape y = x;
  y[3] = channels;
  for (size_t d = 0; d < 2; ++d) {
    conv.window.kernel[d] = kernel;
    conv.window.stride[d] = o.stride;
    conv.window.dilation[d] = o.dilation;
    conv.window.pad_begin[d] = o.pad;
    conv.window.pad_end[d] = o.pad + o.more_pad_end;
    const int axis = static_cast<int>(d) + 1;
    y[axis] = (x[axis] + 2 * o.pad + o.more_pad_end - (kernel - 1) * o.dilation - 1) / o.stride + 1;
  }
  if (o.average) y[1] = y[2] = 1;
  const Shape given = o.planar ? Shape{x[0], x[3], x[1], x[2]} : x;
  const CaseInput input{.shape = given, .differentiate = o.trains};
  const CaseInput bias{.shape = {channels}, .absent = !o.bias, .differentiate = o.trains};
  const CaseInput residual{.shape = y, .absent = !o.residual, .differentiate = false};
  const CaseInput gate{
      .shape = {std::max<int64_t>(1, o.gates), 1, 1, x[3]}, .absent = o.gates == 0, .differentiate = false};
  const Shape filter = {channels, x[3] / o.groups, kernel, kernel};
  return {
      concat("conv_channels_last ", x.str(), " to ", channels, ", kernel ", kernel, ", stride ", o.stride,
             ", dilation ", o.dilation, ", groups ", o.groups, ", pad ", o.pad, "+", o.more_pad_end,
             o.bias ? ", bias" : "", o.residual ? ", residual" : "", o.precise ? ", precise" : "",
             o.planar ? ", planar" : "", o.average ? ", averaged" : "", o.trains ? ", trained" : "",
             o.gates > 0 ? concat(", gates ", o.gates) : "", ", activation ", static_cast<int>(o.activation)),
      conv,
      {input, o.trains ? CaseInput{filter} : constant(filter), bias, residual, gate}};
}

// x (N, H, W, C)
OpCase expand_depthwise_case(const Shape& x, int64_t channels, int64_t kernel, const Options& o = {}) {
  ops::ExpandDepthwiseChannelsLast conv;
  conv.expand = {Activation::leaky_relu, 0.1};
  conv.epilogue = {o.activation, 0.1};
  conv.window = {{kernel, kernel}, {o.stride, o.stride}, {o.dilation, o.dilation}};
  conv.window.pad_begin = {o.pad, o.pad};
  conv.window.pad_end = {o.pad + o.more_pad_end, o.pad};
  const CaseInput bias{.shape = {channels}, .absent = !o.bias};
  return {concat("expand_depthwise_channels_last ", x.str(), " to ", channels, ", kernel ", kernel,
                 ", stride ", o.stride, ", dilation ", o.dilation, ", pad ", o.pad, "+", o.more_pad_end,
                 o.bias ? ", bias" : "", ", activation ", static_cast<int>(o.activation)),
          conv,
          {{x}, constant({channels, x[3], 1, 1}), bias, constant({channels, 1, kernel, kernel}), bias}};
}

}  // namespace

std::vector<OpCase> channels_last_cases() {
  std::vector<OpCase> cases = {
      conv_case({2, 7, 9, 5}, 4, 1),
      conv_case({1, 1, 1, 1}, 1, 1, {.bias = false}),
      conv_case({1, 13, 14, 33}, 47, 1, {.residual = true, .activation = Activation::relu}),
      conv_case({3, 9, 8, 17}, 70, 1, {.stride = 2}),
      conv_case({1, 9, 7, 3}, 33, 3, {.pad = 1, .bias = false}),
      conv_case({2, 11, 10, 3}, 9, 7, {.stride = 2, .pad = 3}),
      conv_case({1, 11, 9, 5}, 6, 3, {.dilation = 2, .pad = 2}),
      conv_case({1, 6, 7, 4}, 5, 3, {.stride = 2, .more_pad_end = 1}),
      conv_case({1, 6, 5, 6}, 9, 3, {.groups = 3, .pad = 1, .residual = true}),
      conv_case({1, 3, 4, 20}, 17, 5, {.pad = 2}),
      // Tasks that share rows of the image.
      conv_case({1, 14, 14, 96}, 320, 3, {.stride = 2, .pad = 1}),
      conv_case({1, 14, 14, 64}, 640, 1),
      conv_case({2, 7, 7, 96}, 160, 1),
      // Rows of outputs by themselves; and pixels kept from meeting in the cache.
      conv_case({1, 4, 58, 3}, 20, 3, {.pad = 1}),
      conv_case({2, 6, 5, 512}, 9, 3, {.stride = 2, .pad = 1, .precise = true}),
      // The first of a network, and averages of the plane.
      conv_case({2, 9, 17, 3}, 20, 3, {.pad = 1, .planar = true}),
      conv_case({1, 40, 37, 1}, 70, 7, {.stride = 2, .pad = 3, .planar = true}),
      conv_case({2, 8, 7, 4}, 5, 2, {.stride = 3, .planar = true, .activation = Activation::relu}),
      conv_case({1, 6, 5, 6}, 9, 1, {.planar = true}),
      conv_case({2, 32, 32, 3}, 64, 3, {.planar = true, .average = true, .activation = Activation::relu}),
      conv_case({3, 70, 65, 5}, 33, 2, {.pad = 1, .average = true, .activation = Activation::sigmoid}),
      conv_case({2, 7, 7, 16}, 200, 1, {.average = true}),
      conv_case({1, 6, 5, 6}, 8, 3, {.groups = 2, .average = true}),
      // Winograd: whole tiles and cut ones, few and many; and the same sums without it.
      conv_case({1, 8, 8, 16}, 16, 3, {.pad = 1}),
      conv_case({2, 13, 11, 17}, 35, 3, {.pad = 1, .residual = true, .activation = Activation::relu}),
      conv_case({2, 13, 11, 17}, 35, 3, {.pad = 1, .residual = true, .precise = true}),
      conv_case({1, 9, 15, 40}, 16, 3, {.residual = true, .activation = Activation::silu}),
      conv_case({1, 5, 6, 24}, 24, 3, {.pad = 2, .more_pad_end = 1}),
      conv_case({1, 14, 14, 64}, 192, 3, {.pad = 1, .residual = true}),
      conv_case({5, 28, 28, 32}, 32, 3, {.pad = 1}),
      // Depthwise.
      conv_case({2, 9, 17, 3}, 3, 3, {.groups = 3, .pad = 1}),
      conv_case({1, 9, 8, 35}, 35, 3, {.stride = 2, .groups = 35, .pad = 1, .residual = true}),
      conv_case({1, 12, 10, 16}, 16, 5, {.dilation = 2, .groups = 16, .pad = 4}),
      conv_case({1, 3, 2, 4}, 4, 5, {.groups = 4, .pad = 2}),
      conv_case({2, 28, 28, 48}, 48, 3, {.groups = 48, .pad = 1, .activation = Activation::relu6}),
      // Gated: every image for itself, all alike, beside whatever else there is.
      conv_case({3, 5, 6, 7}, 18, 1, {.residual = true, .gates = 3, .activation = Activation::silu}),
      conv_case({2, 9, 8, 17}, 5, 1, {.stride = 2, .bias = false, .gates = 1}),
      conv_case({2, 8, 9, 16}, 16, 3, {.pad = 1, .gates = 2}),
      conv_case({2, 8, 9, 6}, 20, 1, {.average = true, .gates = 2}),
      // Expanded first: few channels, blocks of them, rings of rows, bands that share some, and one row.
      expand_depthwise_case({2, 9, 8, 5}, 3, 3, {.pad = 1}),
      expand_depthwise_case({1, 7, 7, 24}, 70, 5, {.pad = 2, .activation = Activation::silu}),
      expand_depthwise_case({1, 60, 50, 40}, 44, 3, {.stride = 2, .pad = 1, .bias = false}),
      expand_depthwise_case({2, 45, 70, 3}, 33, 3, {.pad = 1, .more_pad_end = 1}),
      expand_depthwise_case({1, 40, 64, 4}, 35, 3, {.stride = 3, .dilation = 2}),
      expand_depthwise_case({1, 1, 6, 4}, 20, 3, {.pad = 3}),
  };
  for (const Activation activation : {Activation::relu6, Activation::leaky_relu, Activation::sigmoid,
                                      Activation::hardswish, Activation::tanh}) {
    cases.push_back(conv_case({1, 5, 6, 7}, 18, 3, {.pad = 1, .activation = activation}));
    cases.push_back(conv_case({1, 6, 6, 18}, 18, 3, {.pad = 1, .residual = true, .activation = activation}));
    cases.push_back(conv_case({1, 5, 6, 18}, 18, 3, {.groups = 18, .pad = 1, .activation = activation}));
  }
  // Trained: every algorithm of the convolution, of its input's gradient and of its weight's.
  for (const OpCase& trained : {
           conv_case({2, 7, 9, 5}, 4, 1, {.trains = true}),
           conv_case({3, 9, 8, 17}, 70, 1, {.stride = 2, .trains = true}),
           conv_case({1, 23, 30, 9}, 50, 1, {.trains = true}),
           conv_case({2, 23, 15, 50}, 9, 1, {.bias = false, .trains = true}),
           conv_case({2, 21, 21, 9}, 20, 1, {.stride = 2, .pad = 10, .trains = true}),
           conv_case({1, 40, 36, 3}, 20, 3, {.stride = 2, .pad = 1, .trains = true}),
           conv_case({2, 28, 28, 200}, 230, 1, {.bias = false, .trains = true}),
           conv_case({2, 11, 9, 3}, 33, 3, {.pad = 1, .trains = true}),
           conv_case({2, 33, 30, 3}, 20, 7, {.stride = 2, .pad = 3, .bias = false, .trains = true}),
           conv_case({2, 12, 11, 2}, 7, 3, {.stride = 3, .pad = 2, .more_pad_end = 1, .trains = true}),
           conv_case({1, 11, 9, 9}, 6, 3, {.dilation = 2, .pad = 2, .trains = true}),
           conv_case({2, 12, 13, 9}, 10, 3, {.stride = 2, .pad = 1, .trains = true}),
           conv_case({1, 13, 12, 10}, 9, 5, {.stride = 2, .trains = true}),
           conv_case({2, 10, 9, 12}, 9, 3, {.stride = 3, .dilation = 2, .pad = 1, .trains = true}),
           conv_case({2, 6, 5, 6}, 9, 3, {.groups = 3, .pad = 1, .trains = true}),
           conv_case({2, 8, 7, 12}, 8, 3, {.stride = 2, .groups = 4, .pad = 1, .trains = true}),
           conv_case({1, 6, 7, 10}, 5, 2, {.trains = true}),
           conv_case({1, 9, 10, 9}, 12, 11, {.pad = 5, .trains = true}),
           conv_case({2, 13, 11, 17}, 35, 3, {.pad = 1, .trains = true}),
           conv_case({2, 13, 11, 17}, 35, 3, {.pad = 1, .precise = true, .trains = true}),
           conv_case({2, 13, 11, 33}, 35, 3, {.pad = 1, .trains = true}),
           conv_case({2, 13, 11, 33}, 35, 3, {.pad = 1, .precise = true, .trains = true}),
           conv_case({7, 9, 8, 10}, 12, 3, {.pad = 1, .trains = true}),
           conv_case({2, 19, 20, 5}, 6, 3, {.dilation = 2, .pad = 2, .trains = true}),
           conv_case({5, 28, 28, 32}, 40, 3, {.pad = 1, .bias = false, .trains = true}),
           conv_case({1, 61, 62, 17}, 18, 3, {.pad = 1, .trains = true}),
           conv_case({2, 61, 70, 18}, 17, 3, {.pad = 1, .trains = true}),
           conv_case({1, 5, 6, 24}, 24, 3, {.pad = 2, .more_pad_end = 1, .trains = true}),
           conv_case({2, 16, 16, 150}, 140, 3, {.trains = true}),
           conv_case({2, 9, 17, 3}, 3, 3, {.groups = 3, .pad = 1, .trains = true}),
           conv_case({3, 12, 9, 35}, 35, 3, {.stride = 2, .groups = 35, .pad = 1, .trains = true}),
           conv_case({2, 14, 14, 20}, 20, 5, {.groups = 20, .pad = 2, .trains = true}),
           conv_case({1, 12, 10, 16}, 16, 5, {.dilation = 2, .groups = 16, .pad = 4, .trains = true}),
           conv_case({1, 9, 9, 8}, 8, 4, {.stride = 3, .groups = 8, .trains = true}),
       }) {
    cases.push_back(trained);
  }
  struct Geometry {
    const char* name;
    ops::Window window;
    Shape x;
    bool ceil_mode = false;
  };
  const std::vector<Geometry> geometries = {
      {"2x2 stride 2, odd size", {{2, 2}, {2, 2}}, {2, 7, 9, 5}},
      {"3x3 stride 2 pad 1", {{3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}, {2, 9, 18, 33}},
      {"3x2 stride 1x3 pad 1x0", {{3, 2}, {1, 3}, {1, 1}, {1, 0}, {1, 0}}, {1, 4, 10, 3}},
      {"3x3 dilation 2 pad 2", {{3, 3}, {1, 1}, {2, 2}, {2, 2}, {2, 2}}, {1, 6, 7, 16}},
      {"2x2 pad at the end only", {{2, 2}, {1, 1}, {1, 1}, {0, 0}, {1, 1}}, {1, 4, 5, 2}},
      {"7x7 of all", {{7, 7}, {7, 7}}, {2, 7, 7, 3}},
      {"3x3 stride 2 that ends outside", {{3, 3}, {2, 2}}, {2, 6, 8, 20}, true},
      {"3x3 stride 2 pad 1 that ends outside", {{3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}, {1, 6, 8, 4}, true},
  };
  for (const Geometry& g : geometries) {
    const std::string name = g.name;
    cases.push_back(
        {"max_pool_channels_last " + name, ops::MaxPoolChannelsLast{g.window, g.ceil_mode}, {{g.x, -4, 4}}});
    for (const bool count : {true, false}) {
      cases.push_back({concat("avg_pool_channels_last ", name, count ? "" : " without padding"),
                       ops::AvgPoolChannelsLast{g.window, count, g.ceil_mode},
                       {{g.x}}});
    }
  }
  for (const Activation act : {Activation::none, Activation::relu, Activation::leaky_relu}) {
    cases.push_back({concat("concat_scale_shift_channels_last, activation ", static_cast<int>(act)),
                     ops::ConcatScaleShiftChannelsLast{act, 0.2},
                     {{{73}}, {{73}}, {{73}}, {{2, 13, 9, 32}}, {{2, 13, 9, 1}}, {{2, 13, 9, 40}}}});
  }
  cases.push_back({"concat_scale_shift_channels_last of one input, wider than a block",
                   ops::ConcatScaleShiftChannelsLast{Activation::relu},
                   {{{5000}}, {{5000}}, {{5000}}, {{1, 2, 2, 5000}}}});
  for (const Shape& x : {Shape{1, 1, 1, 3}, Shape{2, 7, 5, 70}, Shape{1, 40, 41, 200}}) {
    cases.push_back({"global_avg_pool_channels_last " + x.str(), ops::GlobalAvgPoolChannelsLast{}, {{x}}});
  }
  return cases;
}

}  // namespace pleat::test
