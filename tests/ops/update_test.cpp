#include <doctest/doctest.h>

#include "base/parallel.hpp"
#include "base/random.hpp"
#include "support/run_op.hpp"

using namespace pleat;
using pleat::test::run_op;

namespace {

const std::vector<std::vector<float>> kGradients = {
    {0.5, -1, 0.25, 0}, {-0.5, 2, 1, 1e-3f}, {3, 0.1f, -1, -4}};

Tensor scalar(float value) {
  return Tensor::from<float>(Shape{}, {value});
}

/// The parameter (1, -2, 0.5, 3) after three steps at lr 0.1.
template <class Attributes>
std::vector<float> three_steps(const Attributes& attributes, float loss_value = 1, Tensor* clip = nullptr) {
  Tensor parameter = Tensor::from<float>({4}, {1, -2, 0.5, 3}), first({4}), second({4});
  Tensor rate = scalar(0.1f), loss = scalar(loss_value);
  for (int64_t i = 0; i < 3; ++i) {
    Tensor gradient = Tensor::from<float>({4}, kGradients[static_cast<size_t>(i)]);
    Tensor step = Tensor::from<int64_t>(Shape{}, {i + 1});
    if constexpr (std::is_same_v<Attributes, ops::SgdUpdate>) {
      Tensor* buffer = attributes.momentum != 0 ? &first : nullptr;
      run_op<float>(attributes, {&parameter, &gradient, buffer, &rate, &loss, clip});
    } else {
      run_op<float>(attributes, {&parameter, &gradient, &first, &second, &step, &rate, &loss, clip});
    }
  }
  return {parameter.span<float>().begin(), parameter.span<float>().end()};
}

void check_close(const std::vector<float>& got, const std::vector<double>& expected) {
  for (size_t i = 0; i < expected.size(); ++i) {
    CAPTURE(i);
    CHECK(static_cast<double>(got[i]) == doctest::Approx(expected[i]).epsilon(1e-6));
  }
}

TEST_CASE("updates: a gradient's sizes may be open until a network is planned, but not others") {
  const ValueType parameter{DType::f32, {10, 64}}, scalar{DType::f32, {}};
  const auto infer = [&](const Shape& shape) {
    const ValueType gradient{DType::f32, shape};
    const ops::Attributes update = ops::SgdUpdate{};
    definition(update).infer(update, {&parameter, &gradient, nullptr, &scalar, &scalar, nullptr});
  };
  CHECK_NOTHROW(infer({10, 64}));
  CHECK_NOTHROW(infer({10, kDynamic}));
  CHECK_THROWS_WITH_AS(infer({10, 63}), doctest::Contains("(10, 64), input 1 is (10, 63)"), Error);
  CHECK_THROWS_AS(infer({kDynamic}), Error);
}

}  // namespace

TEST_CASE("optimizer updates follow PyTorch's") {  // torch.optim of PyTorch 1.13
  check_close(three_steps(ops::SgdUpdate{}),
              {0.699999988079071, -2.109999895095825, 0.4749999940395355, 3.399900197982788});
  check_close(three_steps(ops::SgdUpdate{.momentum = 0.9, .weight_decay = 0.01}),
              {0.6540347337722778, -2.1079695224761963, 0.33964237570762634, 3.3829946517944336});
  check_close(three_steps(ops::SgdUpdate{.momentum = 0.9, .weight_decay = 0.01, .nesterov = true}),
              {0.3858489692211151, -2.2013368606567383, 0.3296257257461548, 3.735624074935913});
  check_close(three_steps(ops::AdamUpdate{.weight_decay = 0.01}),
              {0.8417737483978271, -1.9652434587478638, 0.3063528537750244, 2.8630528450012207});
  check_close(three_steps(ops::AdamUpdate{.weight_decay = 0.1, .decoupled = true}),
              {0.8162522912025452, -1.9099595546722412, 0.29502567648887634, 2.9010956287384033});
}

TEST_CASE("updates change nothing where the loss or the gradients' norm is not finite") {
  const std::vector<float> unchanged = {1, -2, 0.5, 3};
  for (float bad : {NAN, INFINITY, -INFINITY}) {
    CHECK(three_steps(ops::SgdUpdate{.momentum = 0.9}, bad) == unchanged);
    CHECK(three_steps(ops::AdamUpdate{}, bad) == unchanged);
    Tensor clip = Tensor::from<float>({2}, {bad, 0});
    CHECK(three_steps(ops::SgdUpdate{}, 1, &clip) == unchanged);
    CHECK(three_steps(ops::AdamUpdate{}, 1, &clip) == unchanged);
  }
}

TEST_CASE("clip_grad_norm is PyTorch's, and updates use its factor") {
  Tensor a = Tensor::from<float>({3}, {3, 0, 4}), b = Tensor::from<float>({2}, {0, 12});
  Tensor clip = run_op<float>(ops::ClipGradNorm{2}, {&a, &b})[0];
  CHECK(clip.data<float>()[0] == 13);
  CHECK(static_cast<double>(clip.data<float>()[1]) == doctest::Approx(2 / (13 + 1e-6)).epsilon(1e-7));
  Tensor loose = run_op<float>(ops::ClipGradNorm{14}, {&a, &b})[0];
  CHECK(loose.data<float>()[1] == 1);

  Tensor half = Tensor::from<float>({2}, {1, 0.5f});
  Tensor parameter({3}), rate = scalar(1), loss = scalar(0);
  run_op<float>(ops::SgdUpdate{}, {&parameter, &a, nullptr, &rate, &loss, &half});
  CHECK(parameter.data<float>()[0] == -1.5f);
  CHECK(parameter.data<float>()[2] == -2);
}

TEST_CASE("updates give the same bits on any number of threads") {
  const int64_t n = 100'003;
  std::vector<float> values(static_cast<size_t>(n));
  Random random(1);
  for (float& value : values) value = static_cast<float>(random.uniform(-1, 1));
  std::vector<Tensor> results;
  for (int threads : {1, 2, 3, 8}) {
    Arena(threads).execute([&] {
      Tensor parameter = Tensor::from<float>({n}, values), gradient = Tensor::from<float>({n}, values);
      Tensor buffer({n}), rate = scalar(0.1f), loss = scalar(1);
      Tensor clip = run_op<float>(ops::ClipGradNorm{2}, {&gradient, &parameter})[0];
      run_op<float>(ops::SgdUpdate{.momentum = 0.9, .weight_decay = 0.01},
                    {&parameter, &gradient, &buffer, &rate, &loss, &clip});
      results.push_back(parameter);
    });
    CHECK(std::ranges::equal(results[0].span<float>(), results.back().span<float>()));
  }
}

TEST_CASE("updates refuse what does not fit") {
  Tensor parameter({3}), other({4}), rate = scalar(1), loss = scalar(1);
  CHECK_THROWS_WITH_AS(run_op<float>(ops::SgdUpdate{}, {&parameter, &other, nullptr, &rate, &loss, nullptr}),
                       "sgd_update: the parameter is (3,), input 1 is (4,)", Error);
  CHECK_THROWS_AS(run_op<float>(ops::SgdUpdate{.momentum = 0.9},
                                {&parameter, &parameter, nullptr, &rate, &loss, nullptr}),
                  Error);
  CHECK_THROWS_AS(run_op<float>(ops::ClipGradNorm{0}, {&parameter}), Error);
}
