// Ghost batch normalization is batch normalization of its parts, one after another; one value a channel; the
// schedule of batch renormalization. Values against PyTorch are in the goldens.

#include <doctest/doctest.h>

#include <cmath>
#include <cstring>

#include "ops/batch_norm_renorm.hpp"
#include "pleat/error.hpp"
#include "support/random_tensor.hpp"
#include "support/run_op.hpp"

namespace pleat::test {
namespace {

ops::BatchNorm training(const Shape& x, int64_t virtual_batch_size) {
  ops::BatchNorm attributes;
  attributes.spatial_dims = std::max(1, x.rank() - 2);
  attributes.batch_statistics = true;
  attributes.virtual_batch_size = virtual_batch_size;
  return attributes;
}

Tensor rows(const Tensor& all, int64_t begin, int64_t end) {
  Shape shape = all.shape();
  const size_t row = all.bytes() / static_cast<size_t>(shape[0]);
  shape[0] = end - begin;
  Tensor part(shape);
  std::memcpy(part.raw(), static_cast<const std::byte*>(all.raw()) + static_cast<size_t>(begin) * row,
              part.bytes());
  return part;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

struct Step {
  Tensor x, dy, residual, weight, bias, mean, var, count{Shape{}, DType::i64};

  explicit Step(const Shape& shape)
      : x(random_tensor(shape, 1, 9, 12)),
        dy(random_tensor(shape, 2)),
        residual(random_tensor(shape, 3)),
        weight(random_tensor({shape[1]}, 4)),
        bias(random_tensor({shape[1]}, 5)),
        mean(random_tensor({shape[1]}, 6)),
        var(random_tensor({shape[1]}, 7, 1, 2)) {}

  /// y, saved, dx, dresidual, dweight, dbias, on the residual and relu.
  std::vector<Tensor> run(ops::BatchNorm attributes) {
    attributes.activation = Activation::relu;
    std::vector<Tensor> results =
        run_op<float>(attributes, {&x, &weight, &bias, &mean, &var, &count, &residual});
    ops::BatchNormGradient gradient;
    gradient.activation = Activation::relu;
    gradient.virtual_batch_size = attributes.virtual_batch_size;
    gradient.wants_residual = true;
    for (Tensor& t : run_op<float>(gradient, {&x, &dy, &results[1], &results[0]})) results.push_back(t);
    return results;
  }
};

void check_parts(const Shape& shape, int64_t size, const std::vector<int64_t>& ends) {
  CAPTURE(shape.str());
  CAPTURE(size);
  Step whole(shape);
  const std::vector<Tensor> got = whole.run(training(shape, size));
  REQUIRE(got[1].shape() == Shape{5 * static_cast<int64_t>(ends.size()), shape[1]});
  Step one(shape);
  std::vector<double> dweight(static_cast<size_t>(shape[1])), dbias(dweight);
  int64_t begin = 0, index = 0;
  for (const int64_t end : ends) {
    Step part = one;  // shares the running statistics, which move on
    for (Tensor* tensor : {&part.x, &part.dy, &part.residual}) *tensor = rows(*tensor, begin, end);
    const std::vector<Tensor> wanted = part.run(training(shape, 0));
    for (const size_t i : {0, 2, 3}) CHECK(same_bits(rows(got[i], begin, end), wanted[i]));
    CHECK(same_bits(rows(got[1], 5 * index, 5 * index + 5), wanted[1]));
    for (size_t c = 0; c < dweight.size(); ++c) {
      dweight[c] += static_cast<double>(wanted[4].data<float>()[c]);
      dbias[c] += static_cast<double>(wanted[5].data<float>()[c]);
    }
    begin = end;
    ++index;
  }
  REQUIRE(begin == shape[0]);
  for (size_t c = 0; c < dweight.size(); ++c) {
    CHECK(static_cast<double>(got[4].data<float>()[c]) == doctest::Approx(dweight[c]).epsilon(1e-5));
    CHECK(static_cast<double>(got[5].data<float>()[c]) == doctest::Approx(dbias[c]).epsilon(1e-5));
  }
  CHECK(same_bits(whole.mean, one.mean));
  CHECK(same_bits(whole.var, one.var));
  CHECK(*whole.count.data<int64_t>() == static_cast<int64_t>(ends.size()));
}

TEST_CASE("ghost batch norm has the bits of batch norm on one part after another") {
  check_parts({6, 5}, 2, {2, 4, 6});
  check_parts({6, 5}, 6, {6});
  check_parts({6, 5}, 9, {6});
  check_parts({8, 5}, 3, {3, 6, 8});
  check_parts({7, 5}, 3, {3, 7});  // the last item alone has no variance
  check_parts({7, 5, 2}, 3, {3, 6, 7});
  check_parts({5, 3, 9, 11}, 2, {2, 4, 5});
  check_parts({70, 3, 5, 5}, 33, {33, 66, 70});  // parts of two layouts
}

std::string fault(const ops::BatchNorm& attributes, Shape shape, bool running = true) {
  const ValueType x{DType::f32, std::move(shape)}, c{DType::f32, {x.shape[1]}}, count{DType::i64, Shape{}};
  const ValueType *state = running ? &c : nullptr, *tracked = running ? &count : nullptr;
  try {
    definition(ops::Attributes(attributes)).infer(attributes, {&x, &c, &c, state, state, tracked, nullptr});
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

TEST_CASE("ghost batch norm and batch renorm say what they cannot do") {
  CHECK(
      fault(training({8, 5}, 1), {8, 5}) ==
      "batch_norm: Expected more than 1 value per channel when training, got input size (8, 5) and a virtual "
      "batch size of 1");
  CHECK(fault(training({8, 5}, 1), {8, 5, 2}) == "");
  CHECK(fault(training({8, 5}, -1), {8, 5}) == "batch_norm: virtual_batch_size must not be negative, got -1");
  ops::BatchNorm renorm = training({8, 5}, 0);
  renorm.renorm.emplace();
  CHECK(fault(renorm, {8, 5}) == "");
  CHECK(fault(renorm, {8, 5}, /*running=*/false) ==
        "batch_norm: batch renormalization needs running_mean, running_var and num_batches_tracked");
  renorm.renorm->r_max = 0.5;
  CHECK(fault(renorm, {8, 5}) ==
        "batch_norm: batch renormalization needs r_max >= 1 and d_max >= 0, got 0.5 and 5");
}

TEST_CASE("one value a channel is normalized by the running statistics where the layer says so") {
  for (const Shape& shape : {Shape{1, 6}, Shape{1, 6, 1, 1}}) {
    ops::BatchNorm attributes = training(shape, 0);
    CHECK(fault(attributes, shape).find("Expected more than 1 value") != std::string::npos);
    attributes.single_value = SingleValue::running;
    CHECK(fault(attributes, shape, /*running=*/false) ==
          "batch_norm: single_value running needs running_mean and running_var");
    Step one(shape), frozen(shape);
    const std::vector<Tensor> got = one.run(attributes);
    attributes.batch_statistics = false;
    attributes.activation = Activation::relu;
    const Tensor wanted = run_op<float>(attributes, {&frozen.x, &frozen.weight, &frozen.bias, &frozen.mean,
                                                     &frozen.var, &frozen.count, &frozen.residual})[0];
    CHECK(same_bits(got[0], wanted));
    CHECK(same_bits(one.mean, frozen.mean));  // nothing moved
    CHECK(same_bits(one.var, frozen.var));
    CHECK(*one.count.data<int64_t>() == 0);
    for (int64_t c = 0; c < 6; ++c) {  // constant statistics: dx = dy' * scale
      const bool on = got[0].data<float>()[c] > 0;
      const float scale = got[1].data<float>()[3 * 6 + c];
      CHECK(got[2].data<float>()[c] == (on ? one.dy.data<float>()[c] * scale : 0));
    }
  }
}

TEST_CASE("batch renorm's limits follow the paper's schedule") {
  const auto at = [](int64_t step) { return Renorm(BatchRenorm{}, step); };
  CHECK(at(0).r_max == 1);
  CHECK(at(5000).d_max == 0);
  CHECK(at(15000).d_max == 2.5);
  CHECK(at(22500).r_max == 2);
  CHECK(at(25000).d_max == 5);
  CHECK(at(40000).r_max == 3);
  CHECK(at(1000000).r_max == 3);
  CHECK(at(40000).r(10, 1) == 3);
  CHECK(at(40000).r(1, 10) == doctest::Approx(1.0 / 3));
  CHECK(at(40000).d(-100, 0, 2) == -5);
  CHECK(at(40000).d(3, 1, 2) == 1);
}

}  // namespace
}  // namespace pleat::test
