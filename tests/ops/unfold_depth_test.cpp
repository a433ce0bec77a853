// Convolutions of volumes, and their transposes, as the ops' notes lower them.

#include <doctest/doctest.h>

#include "support/every_isa.hpp"
#include "support/op_case.hpp"
#include "support/random_tensor.hpp"
#include "support/run_op.hpp"

namespace pleat::test {
namespace {

template <class... Inputs>
Tensor run(const ops::Attributes& op, Inputs... inputs) {
  return run_op<float>(op, {&inputs...})[0];
}

struct Axis {
  int64_t kernel, stride, dilation, pad_begin, pad_end;
  int64_t outputs(int64_t size) const {
    return (size + pad_begin + pad_end - (kernel - 1) * dilation - 1) / stride + 1;
  }
};

using Axes = std::array<Axis, 3>;

ops::UnfoldDepth depth_of(const Axes& a) {
  return {a[0].kernel, a[0].stride, a[0].dilation, a[0].pad_begin, a[0].pad_end};
}
ops::Window plane_of(const Axes& a) {
  return {{a[1].kernel, a[2].kernel},
          {a[1].stride, a[2].stride},
          {a[1].dilation, a[2].dilation},
          {a[1].pad_begin, a[2].pad_begin},
          {a[1].pad_end, a[2].pad_end}};
}

// The weight of volumes (a, b, kd, kh, kw) as (a, b * kd, kh, kw).
Tensor flat_weight(const Tensor& weight) {
  const Shape& s = weight.shape();
  return weight.reshape({s[0], s[1] * s[2], s[3], s[4]});
}

int64_t at(const Shape& s, int64_t n, int64_t c, const std::array<int64_t, 3>& place) {
  return (((n * s[1] + c) * s[2] + place[0]) * s[3] + place[1]) * s[4] + place[2];
}

// body(input place, output place, kernel place) for all that a window joins.
template <class Body>
void for_joined(const Axes& axes, const Shape& x, const Shape& y, const Body& body) {
  std::array<int64_t, 3> in{}, out{}, tap{};
  const auto along = [&](const auto& self, size_t d) -> void {
    if (d == 3) return body(in, out, tap);
    const Axis& a = axes[d];
    for (out[d] = 0; out[d] < y[static_cast<int>(d) + 2]; ++out[d]) {
      for (tap[d] = 0; tap[d] < a.kernel; ++tap[d]) {
        in[d] = out[d] * a.stride - a.pad_begin + tap[d] * a.dilation;
        if (in[d] >= 0 && in[d] < x[static_cast<int>(d) + 2]) self(self, d + 1);
      }
    }
  };
  along(along, 0);
}

double error(const Tensor& got, const std::vector<double>& expected) {
  return max_error(got.to(DType::f64).span<double>(), expected);
}

const Axes kAxes = {Axis{3, 2, 2, 1, 2}, Axis{3, 1, 1, 1, 0}, Axis{2, 2, 1, 0, 1}};
constexpr int64_t kGroups = 2;

}  // namespace

TEST_CASE("a convolution of volumes: unfold, conv, fold") {
  const Tensor x = random_tensor({2, 4, 7, 5, 6}, seed()),
               weight = random_tensor({6, 2, 3, 3, 2}, seed() + 1);
  const Tensor bias = random_tensor({6}, seed() + 2);
  const Shape shape{2, 6, kAxes[0].outputs(7), kAxes[1].outputs(5), kAxes[2].outputs(6)};
  const Tensor y = run(ops::FoldDepth{{}, shape[2]}, run(ops::Conv{plane_of(kAxes), kGroups, {}},
                                                         run(depth_of(kAxes), x), flat_weight(weight), bias));
  REQUIRE(y.shape() == shape);
  std::vector<double> expected(static_cast<size_t>(y.numel()));
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t o = 0; o < 6; ++o) {
      for (int64_t p = 0; p < shape.product(2, 5); ++p) {
        expected[static_cast<size_t>((n * 6 + o) * shape.product(2, 5) + p)] =
            static_cast<double>(bias.data<float>()[o]);
      }
      for_joined(kAxes, x.shape(), shape, [&](const auto& in, const auto& out, const auto& tap) {
        for (int64_t c = 0; c < 2; ++c) {
          expected[static_cast<size_t>(at(shape, n, o, out))] +=
              static_cast<double>(x.data<float>()[at(x.shape(), n, o / 3 * 2 + c, in)]) *
              static_cast<double>(weight.data<float>()[at(weight.shape(), o, c, tap)]);
        }
      });
    }
  }
  CHECK(error(y, expected) < 1e-5);
}

TEST_CASE("a transposed convolution of volumes: unfold with kernel 1, conv_transpose, fold") {
  const Tensor x = random_tensor({2, 4, 3, 5, 4}, seed()),
               weight = random_tensor({4, 3, 3, 3, 2}, seed() + 1);
  const Tensor bias = random_tensor({6}, seed() + 2);
  // (in - 1) * stride - pads + (kernel - 1) * dilation + 1 + output padding.
  const Shape shape{2, 6, 4 - 3 + 5 + 1, 4 - 1 + 3, 6 - 1 + 2 + 1};
  const Tensor y = run(ops::FoldDepth{depth_of(kAxes), 3, 1},
                       run(ops::ConvTranspose{plane_of(kAxes), kGroups, {0, 1}}, run(ops::UnfoldDepth{}, x),
                           flat_weight(weight)),
                       bias);
  REQUIRE(y.shape() == shape);
  std::vector<double> expected(static_cast<size_t>(y.numel()));
  for (int64_t n = 0; n < 2; ++n) {
    for (int64_t o = 0; o < 6; ++o) {
      for (int64_t p = 0; p < shape.product(2, 5); ++p) {
        expected[static_cast<size_t>((n * 6 + o) * shape.product(2, 5) + p)] =
            static_cast<double>(bias.data<float>()[o]);
      }
      // The convolution that it transposes goes from its output to its input.
      for_joined(kAxes, shape, x.shape(), [&](const auto& to, const auto& from, const auto& tap) {
        for (int64_t c = o / 3 * 2; c < o / 3 * 2 + 2; ++c) {
          expected[static_cast<size_t>(at(shape, n, o, to))] +=
              static_cast<double>(x.data<float>()[at(x.shape(), n, c, from)]) *
              static_cast<double>(weight.data<float>()[at(weight.shape(), c, o % 3, tap)]);
        }
      });
    }
  }
  CHECK(error(y, expected) < 1e-5);
}

TEST_CASE("unfold_depth and fold_depth: shapes and errors") {
  const auto shape_of = [](const ops::Attributes& op, const Shape& x) {
    const ValueType type{DType::f32, x};
    return definition(op).infer(op, {&type})[0].shape;
  };
  constexpr int64_t n = kDynamic;
  CHECK(shape_of(ops::UnfoldDepth{3, 2, 1, 1, 1}, {2, 4, 8, 5, 6}) == Shape{8, 12, 5, 6});
  CHECK(shape_of(ops::UnfoldDepth{3, 2, 1, 1, 1}, {n, 4, 8, n, 6}) == Shape{n, 12, n, 6});
  CHECK(shape_of(ops::FoldDepth{{}, 4}, {n, 6, 5, 6}) == Shape{n, 6, 4, 5, 6});
  CHECK(shape_of(ops::FoldDepth{{3, 2, 1, 1, 1}, 4, 1}, {8, 12, 5, 6}) == Shape{2, 4, 8, 5, 6});
  CHECK_THROWS_WITH_AS(shape_of(ops::UnfoldDepth{3, 1, 2}, {2, 4, 4, 5, 6}),
                       "unfold_depth: kernel 3 dilation 2 is larger than the padded depth 4", Error);
  CHECK_THROWS_WITH_AS(shape_of(ops::UnfoldDepth{}, {2, 4, 4, 5}),
                       "unfold_depth: needs an input (N, C, D, H, W), got (2, 4, 4, 5)", Error);
  CHECK_THROWS_WITH_AS(shape_of(ops::FoldDepth{{2}, 3}, {8, 4, 5, 6}),
                       "fold_depth: needs an input (N * 3, C * 2, H, W), got (8, 4, 5, 6)", Error);
}

}  // namespace pleat::test
