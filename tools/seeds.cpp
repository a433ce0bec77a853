#include "seeds.hpp"

#include <algorithm>
#include <cmath>

#include "pleat/error.hpp"
#include "table.hpp"

namespace pleat::tools {

namespace {

struct Spread {
  double mean = 0, std = 0;
};

/// std: NaN for a single run.
Spread spread(const std::vector<SeededRun>& runs, double FitResult::*value) {
  const auto n = static_cast<double>(runs.size());
  double sum = 0, squares = 0;
  for (const SeededRun& run : runs) sum += run.result.*value;
  const double mean = sum / n;
  for (const SeededRun& run : runs) squares += std::pow(run.result.*value - mean, 2);
  return {mean, std::sqrt(squares / (n - 1))};
}

Json spread_json(const Spread& spread) {
  return {{"mean", spread.mean}, {"std", spread.std}};
}

std::string accuracy_text(double share) {
  return number("%.2f", share * 100);
}

}  // namespace

std::vector<uint64_t> seed_list(const std::vector<uint64_t>& given, uint64_t first) {
  constexpr uint64_t kMost = 1000;
  std::vector<uint64_t> seeds = given;
  if (given.size() == 1) {
    if (given[0] < 1 || given[0] > kMost) {
      throw Error("--seeds: from 1 to " + std::to_string(kMost) + " seeds, or a list such as 1,2,3; got " +
                  std::to_string(given[0]));
    }
    seeds.clear();
    for (uint64_t i = 0; i < given[0]; ++i) seeds.push_back(first + i);
  }
  std::vector<uint64_t> sorted = seeds;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) throw Error("--seeds: " + std::to_string(*twice) + " stands twice");
  return seeds;
}

void print_seeds(std::ostream& out, const std::vector<SeededRun>& runs) {
  Table table({{"seed"}, {"test accuracy", Align::right}, {"best", Align::right}});
  for (const auto& [seed, result] : runs) {
    table.add(
        {std::to_string(seed), accuracy_text(result.test_accuracy), accuracy_text(result.best_accuracy)});
  }
  const Spread test = spread(runs, &FitResult::test_accuracy), best = spread(runs, &FitResult::best_accuracy);
  table.add({"mean", accuracy_text(test.mean), accuracy_text(best.mean)});
  table.add({"std", accuracy_text(test.std), accuracy_text(best.std)});
  table.print(out);
}

Json seeds_json(const std::vector<SeededRun>& runs) {
  Json seeds = Json::array();
  for (const SeededRun& run : runs) seeds.push_back(run.seed);
  return {{"seeds", seeds},
          {"test_accuracy", spread_json(spread(runs, &FitResult::test_accuracy))},
          {"best_accuracy", spread_json(spread(runs, &FitResult::best_accuracy))}};
}

}  // namespace pleat::tools
