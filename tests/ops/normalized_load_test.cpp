// Convolutions and weight gradients that normalize x as they read it: the bits of batch_norm's y, then
// theirs, on every trained case whose window allows it.

#include <doctest/doctest.h>

#include <cstring>

#include "base/random.hpp"
#include "ops/channels_last/can_normalize.hpp"
#include "support/op_case.hpp"
#include "support/run_op.hpp"

namespace pleat::test {
namespace {

void check_same(const Tensor& a, const Tensor& b) {
  REQUIRE(a.bytes() == b.bytes());
  CHECK(std::memcmp(a.raw(), b.raw(), a.bytes()) == 0);
}

template <class T>
void check_case(const OpCase& op_case, Activation activation) {
  CAPTURE(op_case.name);
  ops::ConvChannelsLast conv = std::get<ops::ConvChannelsLast>(op_case.attributes);
  std::vector<Tensor> inputs = draw_inputs(op_case, 3);
  for (Tensor& input : inputs) {
    if (input.defined()) input = input.to(dtype_of<T>());
  }
  Tensor &x = inputs[0], &weight = inputs[1], *bias = inputs[2].defined() ? &inputs[2] : nullptr;
  Random random(4);
  Tensor saved({5, x.shape()[3]}, dtype_of<T>()), after(Shape{}, dtype_of<T>());
  for (T& value : saved.span<T>()) value = static_cast<T>(random.uniform(-1, 1));
  const ops::BatchNormRecompute normalize{.channels_last = true, .activation = activation};
  Tensor y = run_op<T>(normalize, {&x, &saved, nullptr, &after})[0];

  Tensor expected = run_op<T>(conv, {&y, &weight, bias})[0];
  ops::ConvChannelsLastWeightGradient gradient{conv.window, conv.groups};
  const Tensor weights = run_op<T>(gradient, {&y, &expected, &weight})[0];
  conv.normalizes = gradient.normalizes = activation;
  check_same(run_op<T>(conv, {&x, &weight, bias, nullptr, &saved})[0], expected);
  check_same(run_op<T>(gradient, {&x, &expected, &weight, &saved})[0], weights);
}

TEST_CASE("normalizing as they read, convolutions and weight gradients give the bits of batch_norm first") {
  int cases = 0;
  for (const OpCase& op_case : op_cases()) {
    const auto* conv = std::get_if<ops::ConvChannelsLast>(&op_case.attributes);
    if (conv == nullptr || !conv->trains) continue;
    if (!can_normalize(conv->window, conv->groups, op_case.inputs[1].shape)) continue;
    ++cases;
    for (const Activation activation : {Activation::none, Activation::relu, Activation::relu6}) {
      check_case<float>(op_case, activation);
    }
    check_case<double>(op_case, Activation::relu);
  }
  CHECK(cases >= 9);
}

TEST_CASE(
    "can_normalize: single pixels of one group, and a channel each of windows that are walked by rows") {
  const ops::Window pixel, three{.kernel = {3, 3}}, wide{.kernel = {14, 14}}, strided{.stride = {2, 2}};
  CHECK(can_normalize(pixel, 1, {8, 4, 1, 1}));
  CHECK(can_normalize(three, 8, {8, 1, 3, 3}));
  CHECK_FALSE(can_normalize(wide, 8, {8, 1, 14, 14}));
  CHECK_FALSE(can_normalize(three, 1, {8, 4, 3, 3}));
  CHECK_FALSE(can_normalize(strided, 1, {8, 4, 1, 1}));
  CHECK_FALSE(can_normalize(pixel, 2, {8, 4, 1, 1}));
}

}  // namespace
}  // namespace pleat::test
