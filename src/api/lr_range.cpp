#include "pleat/lr_range.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>

#include "api/fit_batches.hpp"
#include "api/keep_state.hpp"
#include "api/not_finite.hpp"
#include "base/format.hpp"

namespace pleat {
namespace {

Optimizer with_rate_one(Optimizer optimizer) {
  std::visit([](auto& method) { method.lr = 1; }, optimizer.method);
  return optimizer;
}

/// fastai's "valley", for the points from first to last - 1.
double valley(const std::vector<LrPoint>& curve, size_t first, size_t last) {
  if (first >= last) return std::numeric_limits<double>::quiet_NaN();
  const auto loss = [&](size_t i) { return curve[first + i].smoothed; };
  std::vector<size_t> length(last - first, 1);  // of the longest falling subsequence that ends there
  size_t end = 0;
  for (size_t i = 1; i < length.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      if (loss(i) < loss(j)) length[i] = std::max(length[i], length[j] + 1);
    }
    if (length[i] > length[end]) end = i;
  }
  if (length[end] == 1) return std::numeric_limits<double>::quiet_NaN();
  const size_t begin = end + 1 - length[end];
  return curve[first + begin + (end - begin) / 2].lr;
}

}  // namespace

LrRange find_lr(Model& model, const Dataset& data, const FitOptions& options, const LrRangeOptions& range) {
  if (!(range.min_lr > 0 && range.min_lr < range.max_lr && std::isfinite(range.max_lr))) {
    fail("find_lr: rates must be above 0 and rise, got ", range.min_lr, " to ", range.max_lr);
  }
  if (range.steps < 2) fail("find_lr: at least 2 steps are needed, got ", range.steps);
  constexpr double kOld = 0.98, kDiverged = 4;

  const KeepState keep(model);
  Trainer trainer(model, options.loss, with_rate_one(options.optimizer));
  FitBatches batches(model, data, options);
  batches.start(0, range.steps);
  LrRange result;
  const auto start = std::chrono::steady_clock::now();
  int64_t images = 0;
  double average = 0, lowest = std::numeric_limits<double>::infinity();
  for (int64_t step = 0; step < range.steps && !result.diverged; ++step) {
    if (options.stop != nullptr && options.stop->load()) break;
    const double lr =
        range.min_lr * std::pow(range.max_lr / range.min_lr,
                                static_cast<double>(step) / static_cast<double>(range.steps - 1));
    const Batch& batch = batches.next();
    double loss = 0;
    try {
      loss = trainer.step(batch.inputs, batches.target(batch), lr);
    } catch (const Error&) {
      // With a higher rate the loss overflows; any other fault is one.
      if (result.curve.empty() || find_not_finite(batch.inputs)) throw;
      result.diverged = true;
      break;
    }
    average = kOld * average + (1 - kOld) * loss;
    const double smoothed = average / (1 - std::pow(kOld, static_cast<double>(step + 1)));
    result.curve.push_back({lr, loss, smoothed});
    lowest = std::min(lowest, smoothed);
    result.diverged = smoothed > kDiverged * lowest;
    images += batch.labels.numel();
    if (options.on_step) {
      const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
      options.on_step(step + 1, range.steps, static_cast<double>(images) / seconds.count(), loss);
    }
  }
  const size_t count = result.curve.size();
  constexpr size_t kLeftOut = 5;  // at the end
  const size_t first = static_cast<size_t>(range.steps) / 10;
  result.suggestion = valley(result.curve, std::min(first, count), count > kLeftOut ? count - kLeftOut : 0);
  return result;
}

}  // namespace pleat
