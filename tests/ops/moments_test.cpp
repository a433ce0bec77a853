// The moments that a convolution takes of what it stores, by every algorithm, against sums in double over the
// stored values.

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "ops/channels_last/moments.hpp"
#include "support/op_case.hpp"
#include "support/run_op.hpp"

namespace pleat::test {
namespace {

// Of a channel of y (..., C).
void check_channel(const Tensor& y, const Tensor& moments, int64_t c) {
  const int64_t channels = moments.shape()[1], n = y.numel() / channels;
  const auto value = [&](int64_t i) { return static_cast<double>(y.data<float>()[i * channels + c]); };
  double mean = 0, m2 = 0;
  for (int64_t i = 0; i < n; ++i) mean += value(i) / static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) m2 += (value(i) - mean) * (value(i) - mean);
  const auto row = [&](MomentRow r) { return static_cast<double>(moments.data<float>()[r * channels + c]); };
  const double sigma = std::sqrt(m2 / static_cast<double>(n));
  CAPTURE(c);
  CHECK(std::abs(row(kMeanHigh) + row(kMeanLow) - mean) <= 1e-6 * sigma + 1e-13 * std::abs(mean));
  CHECK(std::abs(row(kM2) - m2) <= 1e-6 * m2);
}

void check_case(const OpCase& op_case, double bias) {
  CAPTURE(op_case.name);
  CAPTURE(bias);
  ops::ConvChannelsLast conv = std::get<ops::ConvChannelsLast>(op_case.attributes);
  std::vector<Tensor> inputs = draw_inputs(op_case, 6);
  for (Tensor& input : inputs) {
    if (input.defined()) input = input.to(DType::f32);
  }
  Tensor shift({inputs[1].shape()[0]});
  for (float& value : shift.span<float>()) value = static_cast<float>(bias);
  const Tensor expected = run_op<float>(conv, {&inputs[0], &inputs[1], &shift})[0];
  conv.moments = true;
  const std::vector<Tensor> made = run_op<float>(conv, {&inputs[0], &inputs[1], &shift});
  REQUIRE(made[0].bytes() == expected.bytes());
  CHECK(std::memcmp(std::as_const(made[0]).raw(), expected.raw(), expected.bytes()) == 0);
  for (int64_t c = 0; c < made[1].shape()[1]; ++c) check_channel(made[0], made[1], c);
}

TEST_CASE("conv_channels_last: moments of what it stores, however far from zero") {
  int cases = 0;
  for (const OpCase& op_case : op_cases()) {
    const auto* conv = std::get_if<ops::ConvChannelsLast>(&op_case.attributes);
    if (conv == nullptr || !conv->trains) continue;
    ++cases;
    check_case(op_case, 0);
    check_case(op_case, 1e4);
  }
  CHECK(cases >= 30);
}

}  // namespace
}  // namespace pleat::test
