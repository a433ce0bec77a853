// Pools against ONNX's published examples, and those that PyTorch computes.

#include <doctest/doctest.h>

#include <numeric>

#include "support/every_isa.hpp"
#include "support/random_tensor.hpp"
#include "support/run_op.hpp"

namespace pleat::test {
namespace {

using Values = std::vector<float>;

// first, first + 1, ...
Tensor counting(const Shape& shape, float first = 1) {
  Tensor tensor(shape);
  std::iota(tensor.span<float>().begin(), tensor.span<float>().end(), first);
  return tensor;
}

Values run(const ops::Attributes& op, Tensor x) {
  const Tensor y = run_op<float>(op, {&x})[0];
  return {y.span<float>().begin(), y.span<float>().end()};
}

std::vector<int64_t> indices(const ops::MaxPool& op, Tensor x) {
  const Tensor at = run_op<float>(op, {&x})[1];
  return {at.span<int64_t>().begin(), at.span<int64_t>().end()};
}

const ops::Window kHalf{{3, 3}, {2, 2}}, kPadded{{5, 5}, {1, 1}, {1, 1}, {2, 2}, {2, 2}};
const ops::Window kSame{.kernel = {3, 3}, .stride = {2, 2}, .auto_pad = ops::AutoPad::same_upper};

void check_near(const Values& got, const Values& expected) {
  REQUIRE(got.size() == expected.size());
  for (size_t i = 0; i < got.size(); ++i) CHECK(got[i] == doctest::Approx(expected[i]).epsilon(1e-6));
}

}  // namespace

TEST_CASE("max_pool: ONNX's examples") {
  CHECK(run(ops::MaxPool{kHalf, true}, counting({1, 1, 4, 4})) == Values{11, 12, 15, 16});
  CHECK(run(ops::MaxPool{{{2, 2}, {1, 1}, {2, 2}}}, counting({1, 1, 4, 4})) == Values{11, 12, 15, 16});
  CHECK(run(ops::MaxPool{kPadded}, counting({1, 1, 5, 5})) == Values{13, 14, 15, 15, 15, 18, 19, 20, 20,
                                                                     20, 23, 24, 25, 25, 25, 23, 24, 25,
                                                                     25, 25, 23, 24, 25, 25, 25});
  CHECK(run(ops::MaxPool{kSame}, counting({1, 1, 5, 5})) == Values{7, 9, 10, 17, 19, 20, 22, 24, 25});
}

TEST_CASE("max_pool: where the maxima are, ONNX's examples") {
  CHECK(indices({kPadded, false, true}, counting({1, 1, 5, 5})) ==
        std::vector<int64_t>{12, 13, 14, 14, 14, 17, 18, 19, 19, 19, 22, 23, 24,
                             24, 24, 22, 23, 24, 24, 24, 22, 23, 24, 24, 24});
  CHECK(indices({{{2, 2}, {2, 2}}, false, true, true}, counting({1, 1, 5, 5})) ==
        std::vector<int64_t>{6, 16, 8, 18});
}

TEST_CASE("max_pool: indices count from x's beginning, and of equal maxima name the first") {
  CHECK(indices({{{2, 2}, {2, 2}}, false, true}, Tensor({2, 1, 2, 4})) == std::vector<int64_t>{0, 2, 8, 10});
  CHECK(indices({{{1, 2}, {1, 2}}, false, true}, counting({1, 2, 4})) == std::vector<int64_t>{1, 3, 5, 7});
  CHECK(indices({{{1, 2}, {1, 2}}, false, true}, Tensor::from<float>({1, 1, 4}, {1, NAN, 5, 2})) ==
        std::vector<int64_t>{1, 2});
}

TEST_CASE("avg_pool: ONNX's examples") {
  CHECK(run(ops::AvgPool{kHalf, false, true}, counting({1, 1, 4, 4})) == Values{6, 7.5, 12, 13.5});
  CHECK(run(ops::AvgPool{kSame, false}, counting({1, 1, 5, 5})) ==
        Values{4, 5.5, 7, 11.5, 13, 14.5, 19, 20.5, 22});
  CHECK(run(ops::AvgPool{kPadded, false}, counting({1, 1, 5, 5})) ==
        Values{7,    7.5, 8,    8.5, 9,    9.5, 10,   10.5, 11,   11.5, 12,   12.5, 13,
               13.5, 14,  14.5, 15,  15.5, 16,  16.5, 17,   17.5, 18,   18.5, 19});
  check_near(run(ops::AvgPool{kPadded, true}, counting({1, 1, 5, 5})),
             {2.52f, 3.6f, 4.8f,  4.08f, 3.24f, 4.56f,  6.4f,  8.4f,  7.04f, 5.52f, 7.2f,  10,   13,
              10.8f, 8.4f, 6.96f, 9.6f,  12.4f, 10.24f, 7.92f, 6.12f, 8.4f,  10.8f, 8.88f, 6.84f});
}

TEST_CASE("avg_pool: what lies beyond the padding is not counted") {
  // torch.nn.functional.avg_pool1d(x, 3, 2, padding=1, ceil_mode=True, count_include_pad=True); the last
  // window has an element, and one place of padding.
  const ops::Window window{{1, 3}, {1, 2}, {1, 1}, {0, 1}, {0, 1}};
  check_near(run(ops::AvgPool{window, true, true}, counting({1, 1, 4})), {1, 3, 2});
  check_near(run(ops::AvgPool{window, false, true}, counting({1, 1, 4})), {1.5f, 3, 4});
  check_near(run(ops::AvgPool{{{1, 4}, {1, 2}}, true, true}, counting({1, 1, 3})), {2});
}

// Volumes (N, C, D, H, W) are pooled over (H, W), as (N, C*D, H, W), and then over D, as (N, C, D, H*W).
TEST_CASE("pools over volumes are a pool over planes and one over depth") {
  struct Axis {
    int64_t kernel, stride, dilation, pad_begin, pad_end;
  };
  const Axis d{2, 3, 2, 1, 1}, h{3, 2, 1, 1, 0}, w{3, 2, 1, 0, 2};
  const ops::Window plane{{3, 3}, {2, 2}, {1, 1}, {1, 0}, {0, 2}},
      depth{{2, 1}, {3, 1}, {2, 1}, {1, 0}, {1, 0}};
  const int64_t D = 7, H = 6, W = 5;
  for (const bool ceil_mode : {false, true}) {
    for (const int kind : {0, 1, 2}) {
      CAPTURE(ceil_mode);
      CAPTURE(kind);
      const auto pool = [&](const ops::Window& window, Tensor x) {
        return kind == 0 ? run_op<float>(ops::MaxPool{window, ceil_mode}, {&x})[0]
                         : run_op<float>(ops::AvgPool{window, kind == 1, ceil_mode}, {&x})[0];
      };
      const Tensor x = random_tensor({2 * 3, D, H, W}, seed());
      const Tensor over_planes = pool(plane, x.reshape({2, 3 * D, H, W}));
      const int64_t h_out = over_planes.shape()[2], w_out = over_planes.shape()[3];
      const Tensor y = pool(depth, over_planes.reshape({2, 3, D, h_out * w_out}));

      const auto outputs = [&](int64_t size, const Axis& a) {
        const int64_t room = size + a.pad_begin + a.pad_end - (a.kernel - 1) * a.dilation - 1;
        int64_t count = (room + (ceil_mode ? a.stride - 1 : 0)) / a.stride + 1;
        if (ceil_mode && (count - 1) * a.stride >= size + a.pad_begin) --count;
        return count;
      };
      REQUIRE(y.numel() == 6 * outputs(D, d) * outputs(H, h) * outputs(W, w));
      const float* got = y.data<float>();
      for (int64_t c = 0; c < 6; ++c) {
        for (int64_t i = 0; i < outputs(D, d); ++i) {
          for (int64_t j = 0; j < outputs(H, h); ++j) {
            for (int64_t k = 0; k < outputs(W, w); ++k, ++got) {
              double sum = 0, top = -INFINITY, inside = 0, padded = 0;
              for (int64_t e = 0; e < d.kernel * h.kernel * w.kernel; ++e) {
                const int64_t at_d = i * d.stride - d.pad_begin + e / 9 * d.dilation;
                const int64_t at_h = j * h.stride - h.pad_begin + e / 3 % 3;
                const int64_t at_w = k * w.stride - w.pad_begin + e % 3;
                padded += at_d < D + d.pad_end && at_h < H + h.pad_end && at_w < W + w.pad_end ? 1 : 0;
                if (at_d < 0 || at_d >= D || at_h < 0 || at_h >= H || at_w < 0 || at_w >= W) continue;
                const double v = x.data<float>()[((c * D + at_d) * H + at_h) * W + at_w];
                sum += v;
                top = std::max(top, v);
                ++inside;
              }
              const double expected = kind == 0 ? top : kind == 1 ? sum / padded : sum / inside;
              CHECK(static_cast<double>(*got) == doctest::Approx(expected).epsilon(1e-5));
            }
          }
        }
      }
    }
  }
}

TEST_CASE("pools of no images, and of rank 3") {
  const auto shape = [](const ops::Attributes& op, Tensor x) { return run_op<float>(op, {&x})[0].shape(); };
  CHECK(shape(ops::MaxPool{kHalf, true, true}, Tensor({0, 3, 5, 5})) == Shape{0, 3, 2, 2});
  CHECK(shape(ops::AvgPool{kSame}, Tensor({2, 0, 5, 5})) == Shape{2, 0, 3, 3});
  CHECK(run(ops::GlobalAvgPool{true}, counting({1, 2, 3})) == Values{2, 5});
}

}  // namespace pleat::test
