#include "base/format.hpp"
#include "support/op_case.hpp"

namespace pleat::test {
namespace {

struct Options {
  int64_t stride = 1, dilation = 1, groups = 1;
  int64_t pad = 0, more_pad_end = 0;
  bool bias = false, residual = false, pad_values = false;
  Activation activation = Activation::none;
};

// x (N, C, [H,] W); a square kernel, or one of width `kernel` on one-dimensional data.
OpCase conv_case(const Shape& x, int64_t channels, int64_t kernel, const Options& o = {}) {
  const bool flat = x.rank() == 3;
  ops::Conv conv;
  conv.groups = o.groups;
  for (size_t d = flat ? 1 : 0; d < 2; ++d) {
    conv.window.kernel[d] = kernel;
    conv.window.stride[d] = o.stride;
    conv.window.dilation[d] = o.dilation;
    conv.window.pad_begin[d] = o.pad;
    conv.window.pad_end[d] = o.pad + o.more_pad_end;
  }
  conv.epilogue = {o.activation, 0.1};
  Shape weight{channels, x[1] / o.groups}, y{x[0], channels};
  for (int i = 2; i < x.rank(); ++i) {
    weight.push_back(kernel);
    y.push_back((x[i] + 2 * o.pad + o.more_pad_end - (kernel - 1) * o.dilation - 1) / o.stride + 1);
  }
  // Fusions are made after differentiation.
  const bool differentiate = !o.residual && !o.pad_values && o.activation == Activation::none;
  const auto input = [&](const Shape& shape, bool there) {
    return CaseInput{.shape = shape, .absent = !there, .differentiate = differentiate};
  };
  return {concat("conv ", x.str(), " to ", channels, ", kernel ", kernel, ", stride ", o.stride,
                 ", dilation ", o.dilation, ", groups ", o.groups, ", pad ", o.pad, "+", o.more_pad_end,
                 o.bias ? ", bias" : "", o.residual ? ", residual" : "", o.pad_values ? ", pad values" : "",
                 ", activation ", static_cast<int>(o.activation)),
          conv,
          {input(x, true), input(weight, true), input({channels}, o.bias), input(y, o.residual),
           input({x[1]}, o.pad_values)}};
}

OpCase transpose_case(const Shape& x, int64_t channels, const ops::ConvTranspose& op) {
  Shape weight{x[1], channels / op.groups};
  for (int i = 2; i < x.rank(); ++i)
    weight.push_back(op.window.kernel[static_cast<size_t>(i + 2 - x.rank())]);
  return {concat("conv_transpose ", x.str(), " with ", weight.str(), ", stride ", op.window.stride[1],
                 ", dilation ", op.window.dilation[1], ", output padding ", op.output_padding[1],
                 ", output size ", op.output_size[1]),
          op,
          {{x}, {weight}, {{channels}}}};
}

// x (N, C, H, W), padded for its size.
OpCase same_case(const Shape& x, int64_t channels, const ops::Window& window) {
  return {concat("conv ", x.str(), ", same ", static_cast<int>(window.auto_pad)),
          ops::Conv{window, 1, {}},
          {{x}, {{channels, x[1], window.kernel[0], window.kernel[1]}}}};
}

std::vector<OpCase> transpose_cases() {
  const ops::AutoPad upper = ops::AutoPad::same_upper, lower = ops::AutoPad::same_lower;
  return {
      same_case({2, 3, 7, 8}, 4, {.kernel = {3, 4}, .stride = {2, 3}, .auto_pad = upper}),
      same_case({2, 3, 7, 8}, 4, {.kernel = {2, 4}, .stride = {1, 1}, .auto_pad = lower}),
      same_case({1, 2, 9, 8}, 2, {.kernel = {3, 3}, .dilation = {2, 2}, .auto_pad = upper}),
      transpose_case({2, 3, 9}, 4, {.window = {.kernel = {1, 3}, .stride = {1, 2}}}),
      transpose_case({2, 3, 5, 6}, 2, {{{3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}, 1, {1, 1}}),
      transpose_case({3, 4, 5, 6}, 6, {{{2, 2}, {2, 2}}, 2}),
      transpose_case({1, 4, 5, 9}, 3, {{{1, 1}}}),
      transpose_case({1, 4, 4, 8}, 3, {{{1, 1}}, 1, {1, 2}}),
      transpose_case({1, 2, 4, 5}, 3, {{{3, 2}, {1, 3}, {2, 1}, {0, 1}, {3, 0}}, 1, {0, 2}}),
      transpose_case({1, 2, 4, 5}, 3, {{{3, 3}, {2, 2}, {5, 5}, {2, 2}, {3, 3}}, 1, {4, 4}}),
      transpose_case({1, 2, 4, 5}, 3,
                     {.window = {.kernel = {3, 3}, .stride = {2, 2}}, .output_size = {8, 15}}),
      transpose_case({1, 2, 4, 5}, 3, {.window = {.kernel = {3, 3}, .stride = {2, 2}, .auto_pad = lower}}),
      transpose_case({2, 2, 5, 6}, 65, {{{3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}}),
      transpose_case({2, 65, 5, 6}, 2, {{{3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}}}),
  };
}

}  // namespace

std::vector<OpCase> conv_cases() {
  std::vector<OpCase> cases = {
      conv_case({2, 3, 9}, 4, 3, {.pad = 1, .bias = true}),
      conv_case({3, 4, 17}, 6, 5, {.stride = 2, .groups = 2, .pad = 2}),
      conv_case({1, 2, 8}, 2, 1),
      conv_case({1, 1, 1, 1}, 1, 1),
      conv_case({3, 5, 7, 9}, 4, 1, {.bias = true}),
      conv_case({1, 6, 4, 8}, 5, 1),
      conv_case({1, 5, 7, 9}, 3, 1, {.stride = 2}),
      conv_case({1, 3, 8, 8}, 4, 3, {.pad = 1}),
      conv_case({3, 3, 9, 7}, 5, 3, {.stride = 2, .pad = 1, .bias = true}),
      conv_case({1, 2, 11, 10}, 3, 3, {.stride = 3, .pad = 1, .more_pad_end = 1}),
      conv_case({1, 2, 6, 6}, 2, 3, {.stride = 2, .pad = 0, .more_pad_end = 1}),
      conv_case({1, 2, 11, 9}, 3, 3, {.dilation = 2, .pad = 2}),
      conv_case({1, 2, 12, 13}, 2, 3, {.stride = 2, .dilation = 2, .pad = 2}),
      conv_case({1, 2, 12, 13}, 2, 3, {.stride = 2, .dilation = 3, .pad = 3}),
      conv_case({1, 2, 9, 10}, 3, 5, {.pad = 2}),
      conv_case({1, 2, 13, 15}, 2, 7, {.stride = 2, .pad = 3}),
      conv_case({1, 2, 3, 4}, 2, 7, {.pad = 3}),
      conv_case({1, 4, 6, 5}, 6, 3, {.groups = 2, .pad = 1, .bias = true}),
      conv_case({3, 3, 9, 17}, 3, 3, {.groups = 3, .pad = 1}),
      conv_case({1, 4, 9, 8}, 4, 3, {.stride = 2, .groups = 4, .pad = 1, .bias = true}),
      conv_case({1, 2, 9, 9}, 2, 5, {.groups = 2, .pad = 2}),
      conv_case({1, 2, 8, 9}, 2, 2, {.groups = 2}),
      conv_case({1, 3, 5, 6}, 6, 3, {.groups = 3, .pad = 1}),
      conv_case({2, 2, 5, 6}, 65, 3, {.pad = 1}),
      conv_case({20, 2, 5, 5}, 3, 3, {.pad = 1}),
      conv_case({2, 4, 7}, 3, 3, {.stride = 2, .pad = 1, .pad_values = true}),
      conv_case({2, 4, 9, 7}, 6, 3, {.stride = 2, .groups = 2, .pad = 1, .bias = true, .pad_values = true}),
      conv_case({2, 3, 6, 9}, 65, 3, {.dilation = 2, .pad = 2, .residual = true, .pad_values = true}),
      conv_case({2, 3, 6, 7}, 64, 3,
                {.pad = 1, .bias = true, .residual = true, .activation = Activation::relu}),
  };
  for (const Activation activation :
       {Activation::relu, Activation::relu6, Activation::leaky_relu, Activation::sigmoid, Activation::silu,
        Activation::hardswish, Activation::tanh}) {
    cases.push_back(
        conv_case({2, 3, 5, 9}, 6, 3, {.pad = 1, .bias = true, .residual = true, .activation = activation}));
    cases.push_back(conv_case({1, 3, 5, 9}, 3, 3, {.groups = 3, .pad = 1, .activation = activation}));
  }
  for (OpCase& one : transpose_cases()) cases.push_back(std::move(one));
  const ops::UnfoldDepth depth{3, 2, 2, 1, 2};
  cases.push_back({"unfold_depth", depth, {{{2, 3, 7, 4, 5}}}});
  cases.push_back({"unfold_depth of some windows", ops::UnfoldDepth{1, 3, 1, 0, -1}, {{{2, 3, 7, 4, 5}}}});
  cases.push_back({"fold_depth", ops::FoldDepth{depth, 3, 1}, {{{6, 6, 4, 5}}, {{2}}}});
  cases.push_back({"fold_depth beyond its windows", ops::FoldDepth{depth, 2, 3}, {{{4, 6, 2, 3}}}});
  return cases;
}

}  // namespace pleat::test
