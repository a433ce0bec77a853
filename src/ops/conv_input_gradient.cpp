// dx of a convolution. See conv_input_gradient.hpp.

#include "ops/conv_input_gradient.hpp"
#include "base/format.hpp"

namespace pleat {
namespace {

struct ConvInputGradientOp {
  using Attributes = ops::ConvInputGradient;
  static constexpr std::string_view name = "conv_input_gradient";

  static std::vector<ValueType> infer(const Attributes& attributes, const InputTypes& in) {
    const Shape y = conv_output(attributes.window, attributes.groups, in[2]->shape, in[0]->shape);
    if (in[1]->shape != y) {
      fail("conv_input_gradient: needs dy of ", y.str(), ", got ", in[1]->shape.str());
    }
    return {*in[2]};
  }

  static ConvShape shape_of(const Attributes& attributes, const Shape& weight, const Shape& x,
                            int64_t lanes) {
    return conv_shape(attributes.window, attributes.groups, x, weight, lanes);
  }

  static Workspace workspace(const Attributes& attributes, const InputTypes& in, DType compute) {
    return with_kernels(compute, [&](const auto& kernels) {
      return input_gradient_workspace(kernels,
                                      shape_of(attributes, in[0]->shape, in[2]->shape, kernels.conv.lanes));
    });
  }

  template <class T>
  static void run(const Attributes& attributes, const Context<T>& context) {
    const ConvShape shape =
        shape_of(attributes, context.in_shape(0), context.in_shape(2), context.kernels.conv.lanes);
    run_input_gradient<T>(shape, context, context.in(0), nullptr, context.in(1), nullptr, context.out(0));
  }

  static int64_t multiply_adds(const Attributes& attributes, const InputTypes& in) {
    return shape_of(attributes, in[0]->shape, in[2]->shape, 1).multiply_adds();
  }
  static double work(const Attributes& attributes, const InputTypes& in) {
    return static_cast<double>(multiply_adds(attributes, in)) / 16;
  }
};

}  // namespace

PLEAT_OP(ConvInputGradientOp)

}  // namespace pleat
