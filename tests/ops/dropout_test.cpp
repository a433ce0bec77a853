#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "pleat/isa.hpp"
#include "support/run_op.hpp"

namespace pleat::test {
namespace {

Tensor ramp(const Shape& shape) {
  Tensor tensor(shape);
  int64_t i = 0;
  for (float& value : tensor.span<float>()) value = static_cast<float>(++i);
  return tensor;
}

Tensor counter_at(int64_t value) {
  return Tensor::from<int64_t>({}, {value});
}

std::vector<float> values(const Tensor& tensor) {
  return {tensor.span<float>().begin(), tensor.span<float>().end()};
}

const ops::Dropout kTraining{.p = 0.3, .seed = 5, .frozen = false, .training = true};

}  // namespace

TEST_CASE("dropout zeroes p of the elements and scales the others, and counts its runs") {
  Tensor x = ramp({64, 1001}), counter = counter_at(7);
  const std::vector<Tensor> out = run_op<float>(kTraining, {&x, &counter});
  CHECK(counter.data<int64_t>()[0] == 8);
  int64_t kept = 0;
  double worst = 0;
  const std::vector<float> before = values(x), after = values(out[0]);
  for (size_t i = 0; i < before.size(); ++i) {
    if (after[i] == 0) continue;
    ++kept;
    worst =
        std::max(worst, std::abs(static_cast<double>(after[i]) * 0.7 / static_cast<double>(before[i]) - 1));
  }
  CHECK(worst < 1e-6);
  const double n = static_cast<double>(x.numel());
  CHECK(std::abs(static_cast<double>(kept) / n - 0.7) < 5 * std::sqrt(0.3 * 0.7 / n));
}

TEST_CASE("dropout's gradient has the mask of its forward run") {
  Tensor x = ramp({37, 41}), counter = counter_at(0);
  std::vector<Tensor> out = run_op<float>(kTraining, {&x, &counter});
  Tensor dy = x.clone();
  CHECK(values(run_op<float>(ops::DropoutGradient{kTraining.p}, {&dy, &out[1]})[0]) == values(out[0]));
}

TEST_CASE("dropout's mask depends on seed and counter, not on the instruction set") {
  Tensor x = ramp({1003});
  const auto mask = [&](uint64_t seed, int64_t count) {
    Tensor counter = counter_at(count);
    ops::Dropout attributes = kTraining;
    attributes.seed = seed;
    return values(run_op<float>(attributes, {&x, &counter})[0]);
  };
  const std::vector<float> first = mask(1, 0);
  CHECK(mask(1, 0) == first);
  CHECK(mask(2, 0) != first);
  CHECK(mask(1, 1) != first);
  const std::string chosen = active_isa();
  for (const std::string& isa : available_isas()) {
    CAPTURE(isa);
    set_isa(isa);
    CHECK(mask(1, 0) == first);
  }
  set_isa(chosen);

  Tensor exact = x.to(DType::f64), counter = counter_at(0);
  ops::Dropout attributes = kTraining;
  attributes.seed = 1;
  const std::vector<Tensor> out = run_op<double>(attributes, {&exact, &counter});
  bool same = true;
  for (size_t i = 0; i < first.size(); ++i) same &= (out[0].data<double>()[i] == 0) == (first[i] == 0);
  CHECK(same);
}

TEST_CASE("dropout of p 0 keeps all, of p 1 none") {
  Tensor x = ramp({333});
  for (const double p : {0.0, 1.0}) {
    CAPTURE(p);
    Tensor counter = counter_at(3);
    ops::Dropout attributes = kTraining;
    attributes.p = p;
    const std::vector<Tensor> out = run_op<float>(attributes, {&x, &counter});
    CHECK(values(out[0]) == (p == 0 ? values(x) : std::vector<float>(333, 0.0f)));
  }
}

TEST_CASE("dropout is the identity, and does not count, in eval mode and while frozen") {
  Tensor x = ramp({70000}), counter = counter_at(3);
  ops::Dropout eval = kTraining, frozen = kTraining;
  eval.training = false;
  frozen.frozen = true;
  for (const ops::Dropout& attributes : {eval, frozen}) {
    CHECK(values(run_op<float>(attributes, {&x, &counter})[0]) == values(x));
    CHECK(counter.data<int64_t>()[0] == 3);
    CHECK(definition(attributes).mutated(attributes).empty());
  }
  CHECK(definition(kTraining).mutated(kTraining) == std::vector<int>{1});
}

TEST_CASE("dropout refuses what is no probability") {
  Tensor x = ramp({3}), counter = counter_at(0);
  for (const double p : {-0.1, 1.5, static_cast<double>(NAN)}) {
    ops::Dropout attributes = kTraining;
    attributes.p = p;
    CHECK_THROWS_AS(run_op<float>(attributes, {&x, &counter}), Error);
  }
  CHECK_THROWS_WITH_AS(run_op<float>(ops::Dropout{.p = 1.5}, {&x, &counter}),
                       "dropout: needs a probability p in [0, 1], got 1.5", Error);
}

}  // namespace pleat::test
