// pleat_curve CIFAR10_FOLDER: resnet20's first 100 training steps on CIFAR-10 beside PyTorch's, as
// make_curve.py made them. No test of every build, for the data is nowhere packaged.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <numeric>

#include "base/random.hpp"
#include "goldens/golden.hpp"

namespace pleat::test {
namespace {

constexpr size_t kFirstSteps = 5;
constexpr double kFirstTolerance = 1e-3, kTimesPyTorchs = 2;

// The function of make_curve.py.
void draw_initial(Tensor& weight, uint64_t tensor) {
  const Shape& shape = weight.shape();
  const double bound = std::sqrt(6.0 / static_cast<double>(shape.product(1, shape.rank())));
  uint64_t place = 0;
  for (float& value : weight.span<float>()) {
    const uint64_t bits = Random::finalize(place++ + (tensor << 32) + 0x9E3779B97F4A7C15) >> 40;
    value = static_cast<float>((static_cast<double>(bits) / (1 << 23) - 1) * bound);
  }
}

bool is_parameter(const std::string& name) {
  return name.find("running") == name.npos && name.find("num_batches") == name.npos;
}

void initialize(Model& model) {
  StateDict state = model.state_dict();
  std::sort(state.begin(), state.end(), [](const auto& a, const auto& b) { return a.first < b.first; });
  uint64_t tensor = 0;
  for (auto& [name, value] : state) {
    if (!is_parameter(name)) continue;
    if (value.shape().rank() > 1) draw_initial(value, tensor);
    if (name == "fc.bias") std::ranges::fill(value.span<float>(), 0.0f);
    ++tensor;
  }
}

double worst_statistics(const StateDict& state, const StateDict& wanted) {
  double worst = 0;
  for (const auto& [name, value] : wanted) {
    const Tensor* got = find(state, name);
    if (got == nullptr) throw Error("no " + name);
    worst = std::max(worst, deviation(*got, value));
  }
  return worst;
}

bool report(const char* what, double ours, double torchs) {
  std::printf("%s: Pleat %.1e from PyTorch in double, PyTorch in float %.1e\n", what, ours, torchs);
  return ours <= kTimesPyTorchs * torchs;
}

bool follow(const std::string& folder) {
  const GoldenFile golden("resnet20_curve");
  const nlohmann::json& run = golden.cases().at(0);
  Dataset data = load_data("cifar10:" + folder).train;
  normalize(data, {run.at("mean").get<std::vector<float>>(), run.at("std").get<std::vector<float>>()});
  Model model(models::build("resnet20"));
  initialize(model);
  Optimizer optimizer;
  optimizer.method = SGD{run.at("lr"), run.at("momentum"), false, run.at("weight_decay")};
  Trainer trainer(model, {}, optimizer);
  const auto loss64 = golden.tensor("loss64").span<double>(), loss32 = golden.tensor("loss32").span<double>();
  std::vector<int64_t> positions(run.at("batch").get<size_t>());
  std::iota(positions.begin(), positions.end(), 0);
  Tensor x, labels;
  std::vector<double> losses;
  for (int64_t step = 0; step < std::ssize(loss64); ++step) {
    make_batch(data, positions, {}, 0, x, labels);
    losses.push_back(trainer.step(x, labels));
    for (int64_t& position : positions) position += static_cast<int64_t>(positions.size());
  }
  const double first = loss_deviation(std::span(losses).first(kFirstSteps), loss64.first(kFirstSteps));
  std::printf("loss %.4f to %.4f in %zu steps; the first %zu within %.1e of PyTorch's in double\n",
              losses.front(), losses.back(), losses.size(), kFirstSteps, first);
  const StateDict final64 = golden.group("final64");
  const bool loss_follows = report("losses", loss_deviation(losses, loss64), loss_deviation(loss32, loss64));
  const bool statistics_follow = report("running statistics", worst_statistics(model.state_dict(), final64),
                                        worst_statistics(golden.group("final32"), final64));
  return first <= kFirstTolerance && loss_follows && statistics_follow;
}

}  // namespace
}  // namespace pleat::test

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: pleat_curve CIFAR10_FOLDER\n");
    return 2;
  }
  try {
    return pleat::test::follow(argv[1]) ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "pleat_curve: %s\n", error.what());
    return 1;
  }
}
