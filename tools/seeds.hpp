#pragma once

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "output.hpp"
#include "pleat/train.hpp"

namespace pleat::tools {

/// What --seeds says: several seeds as they are; one number: so many seeds, from `first` on. Error where a
/// seed stands twice.
std::vector<uint64_t> seed_list(const std::vector<uint64_t>& given, uint64_t first);

struct SeededRun {
  uint64_t seed = 0;
  FitResult result;
};

/// Each run's accuracies, and their mean and standard deviation (of a sample: n - 1).
void print_seeds(std::ostream& out, const std::vector<SeededRun>& runs);
/// {"seeds": [1, 2], "test_accuracy": {"mean", "std"}, "best_accuracy": {"mean", "std"}}
Json seeds_json(const std::vector<SeededRun>& runs);

}  // namespace pleat::tools
