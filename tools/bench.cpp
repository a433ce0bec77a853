#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "batch_norm_args.hpp"
#include "commands.hpp"
#include "inputs.hpp"
#include "model_args.hpp"
#include "output.hpp"
#include "pleat/isa.hpp"
#include "pleat/train.hpp"
#include "profile_report.hpp"
#include "table.hpp"
#include "validators.hpp"

namespace pleat::tools {

namespace {

using Clock = std::chrono::steady_clock;

constexpr double kWarmUpShare = 0.2;  ///< of the seconds, before anything is counted
constexpr size_t kMinRuns = 5;
constexpr size_t kMaxProfiledRuns = 1000;
constexpr double kPercentile = 0.99;

struct BenchArgs {
  ModelArgs model;
  Output output;
  int64_t batch = 1;
  double seconds = 2;
  bool train = false, recompute = false, unfolded = false;
  bool profile = false;
  std::string trace;

  bool profiles() const { return profile || !trace.empty(); }
};

struct Timing {
  double load_ms = 0, first_us = 0, median_us = 0, min_us = 0, p99_us = 0, peak_mb = 0;
  size_t runs = 0;
  std::optional<Profile> profile;  ///< of further runs, as many
};

double us_since(Clock::time_point start) {
  return std::chrono::duration<double, std::micro>(Clock::now() - start).count();
}

/// The most memory that this process ever held, in MB of 10^6 bytes.
double peak_mb() {
  constexpr double kKibibyte = 1024, kMegabyte = 1e6;
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) * kKibibyte / kMegabyte;
}

/// The first run, then a warm-up, then single runs for `seconds`.
void time_runs(const std::function<void()>& run, double seconds, Timing& timing) {
  const Clock::time_point start = Clock::now();
  run();
  timing.first_us = us_since(start);
  const Clock::time_point warm_up = Clock::now();
  for (size_t i = 0; i < kMinRuns || us_since(warm_up) < seconds * kWarmUpShare * 1e6; ++i) run();
  timing.peak_mb = peak_mb();  // before the list of times takes memory

  std::vector<double> times;
  const Clock::time_point measured = Clock::now();
  while (times.size() < kMinRuns || us_since(measured) < seconds * 1e6) {
    const Clock::time_point begin = Clock::now();
    run();
    times.push_back(us_since(begin));
  }
  std::sort(times.begin(), times.end());
  timing.runs = times.size();
  timing.min_us = times.front();
  timing.median_us = times[times.size() / 2];
  timing.p99_us = times[static_cast<size_t>(kPercentile * static_cast<double>(times.size() - 1))];
}

int profiled_runs(const Timing& timing) {
  return static_cast<int>(std::min(timing.runs, kMaxProfiledRuns));
}

Timing bench_inference(const BenchArgs& args) {
  Timing timing;
  const Clock::time_point start = Clock::now();
  OpenedModel opened = open_model(args.model);
  opened.model.set_fold(!args.unfolded);
  opened.model.fold_report();  // prepares the inference graph
  timing.load_ms = us_since(start) / 1e3;

  const std::vector<Tensor> inputs =
      random_input_set(opened.model.graph(), args.batch, opened.sizes, args.model.seed);
  std::vector<Tensor> outputs;
  const auto run = [&] {
    if (outputs.empty()) {
      outputs = opened.model.run(inputs);
    } else {
      opened.model.run(inputs, outputs);
    }
  };
  time_runs(run, args.seconds, timing);
  if (args.profiles()) timing.profile = opened.model.profile(inputs, profiled_runs(timing));
  return timing;
}

Timing bench_training(const BenchArgs& args) {
  Timing timing;
  const Clock::time_point start = Clock::now();
  OpenedModel opened = open_model(args.model);
  opened.model.train();
  // A small rate: random labels cannot be learnt, and the loss must stay finite however long this runs.
  SGD sgd;
  sgd.lr = 1e-4;
  Trainer trainer(opened.model, Loss{}, {.method = sgd, .recompute = args.recompute});
  timing.load_ms = us_since(start) / 1e3;

  const Tensor inputs = random_inputs(with_batch(opened.input(), args.batch, opened.sizes), args.model.seed);
  const Shape output = opened.output();
  const int64_t classes = output[output.rank() - 1];
  const Tensor labels = random_labels(args.batch, classes, args.model.seed);
  time_runs([&] { trainer.step(inputs, labels); }, args.seconds, timing);
  if (args.profiles()) timing.profile = trainer.profile(inputs, labels, profiled_runs(timing));
  return timing;
}

int bench(const BenchArgs& args) {
  const Timing timing = args.train ? bench_training(args) : bench_inference(args);
  if (!args.trace.empty()) write_json(args.trace, trace_events(*timing.profile));
  const double items_per_s = static_cast<double>(args.batch) / (timing.median_us * 1e-6);
  const std::string what = args.train ? "training step" : args.unfolded ? "unfolded" : "folded";
  args.output.text() << args.model.model << ' ' << what << ", batch " << args.batch << ", " << active_isa()
                     << ": median " << number("%.1f", timing.median_us) << " us, min "
                     << number("%.1f", timing.min_us) << " us, p99 " << number("%.1f", timing.p99_us)
                     << " us, " << grouped(static_cast<int64_t>(items_per_s)) << " items/s ("
                     << grouped(static_cast<int64_t>(timing.runs)) << " runs)\n"
                     << "loaded in " << number("%.1f", timing.load_ms) << " ms, first run "
                     << number("%.0f", timing.first_us) << " us, peak memory "
                     << number("%.1f", timing.peak_mb) << " MB\n";
  Json result = {{"model", args.model.model},
                 {"mode", args.train ? "train" : "inference"},
                 {"folded", !args.train && !args.unfolded},
                 {"batch", args.batch},
                 {"threads", args.model.threads},
                 {"median_us", timing.median_us},
                 {"min_us", timing.min_us},
                 {"p99_us", timing.p99_us},
                 {"items_per_s", items_per_s},
                 {"first_us", timing.first_us},
                 {"load_ms", timing.load_ms},
                 {"peak_mb", timing.peak_mb},
                 {"isa", active_isa()},
                 {"runs", timing.runs}};
  if (args.profile) {
    const Machine machine = measure_machine(timing.profile->threads);
    args.output.text() << '\n';
    print_profile(args.output.text(), *timing.profile, machine);
    add_profile(result, *timing.profile, machine);
  }
  args.output.finish(result);
  return 0;
}

}  // namespace

Command add_bench(CLI::App& app) {
  auto args = std::make_shared<BenchArgs>();
  CLI::App* parser = app.add_subcommand(
      "bench",
      "Times single runs, or training steps, on random inputs; load_ms covers building, loading and folding, "
      "first_us the first run, which plans");
  args->model.add_to(*parser, Weights::optional);
  parser->add_option("--batch", args->batch, "Items a run")->check(CLI::Range(1, 1 << 24));
  parser->add_option("--seconds", args->seconds, "Seconds to measure for")->check(between(0, 86400));
  CLI::Option* train =
      parser->add_flag("--train", args->train, "Time training steps: cross entropy, SGD with momentum");
  parser->add_flag("--recompute", args->recompute, kRecomputeHelp)->needs(train);
  parser->add_flag("--unfolded", args->unfolded, "Keep every BatchNorm as a step of its own")
      ->excludes(train);
  parser->add_flag("--profile", args->profile,
                   "Print each step's time and speed in as many further runs (at most 1000), beside what the "
                   "machine can do");
  parser
      ->add_option("--trace", args->trace,
                   "Write one run's steps for chrome://tracing or Perfetto (trace event format, JSON)")
      ->type_name("FILE")
      ->check(in_existing_folder());
  args->output.add_to(*parser);
  return {parser, [args] { return bench(*args); }};
}

}  // namespace pleat::tools
