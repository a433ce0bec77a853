#include "pleat/train.hpp"

#include <atomic>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>
#include <variant>
#include <vector>

#include "batch_norm_args.hpp"
#include "commands.hpp"
#include "config.hpp"
#include "data_args.hpp"
#include "inputs.hpp"
#include "lr_report.hpp"
#include "model_args.hpp"
#include "output.hpp"
#include "pleat/error.hpp"
#include "pleat/safetensors.hpp"
#include "progress.hpp"
#include "seeds.hpp"
#include "table.hpp"
#include "validators.hpp"

namespace pleat::tools {

namespace {

constexpr const char* kLast = "last.safetensors";
constexpr const char* kBest = "best.safetensors";
constexpr const char* kConfig = "config.json";
constexpr int kSignalExit = 128;  ///< the shell's convention: 128 + signal

std::atomic<bool> stop_requested = false;
std::atomic<int> stop_signal = 0;
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free);

void request_stop(int signal) {
  stop_signal = signal;
  stop_requested = true;
  std::signal(signal, SIG_DFL);  // a second one ends the program at once
}

struct TrainArgs {
  ModelArgs model;
  Output output;
  DataArgs data;
  std::string optimizer = "sgd", schedule = "constant", out;
  std::vector<std::string> sets;
  std::vector<uint64_t> seeds;
  bool find_lr = false;
  std::optional<double> lr, weight_decay;
  double momentum = SGD{}.momentum;
  bool nesterov = false, no_decay_norm_bias = false;
  bool augment = false, flip = false;
  std::optional<int64_t> crop;
  double erase = 0;
  BatchNormArgs batch_norm;
  FitOptions fit;

  void add_to(CLI::App& app);
  Json config(const CLI::App& app) const;
  Optimizer make_optimizer() const;
  Augmentation make_augmentation(const Shape& images) const;
};

/// What the two Adams share.
template <class Method>
Method adam(const TrainArgs& args) {
  Method method;
  method.lr = args.lr.value_or(method.lr);
  method.weight_decay = args.weight_decay.value_or(method.weight_decay);
  return method;
}

void TrainArgs::add_to(CLI::App& app) {
  model.add_to(app, Weights::none);
  model.add_normalization_to(app, "that of the data to learn from");
  data.add_to(app, "What to learn")->required();
  app.add_option("--epochs", fit.epochs, "Passes over the data")->check(CLI::Range(1, 1 << 20));
  app.add_option("--batch", fit.batch_size, "Items a step")->check(CLI::Range(1, 1 << 24));
  app.add_option("--out", out,
                 "Folder for last.safetensors, best.safetensors, metrics.jsonl and config.json (default "
                 "runs/MODEL)")
      ->type_name("DIR")
      ->configurable(false);
  app.add_flag("--resume", fit.resume, "Continue from DIR/last.safetensors where it exists")
      ->configurable(false);
  app.add_option("--set", sets,
                 "Set the option of that name, instead of what --config or another option says")
      ->type_name("NAME=VALUE")
      ->expected(1)
      ->take_all()
      ->default_str("")
      ->configurable(false);
  CLI::Option* several =
      app.add_option(
             "--seeds", seeds,
             "Train once for each of these seeds, or for N from --seed on, into DIR/seed-N, and tell the "
             "mean and deviation of the accuracy")
          ->delimiter(',')
          ->default_str("")
          ->type_name("N,...");
  app.fallthrough();
  app.footer("--config FILE             Options from an earlier run's DIR/config.json; those given here win");
  app.add_option("--checkpoint-steps", fit.checkpoint_steps, "Also save every N steps; 0: each epoch only")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");
  app.add_option("--patience", fit.patience, "Stop after N epochs without a better test accuracy; 0: never")
      ->check(CLI::NonNegativeNumber)
      ->type_name("N");

  const std::string optimization = "Optimization";
  app.add_option("--optimizer", optimizer, "Method: sgd, adam or adamw")
      ->check(CLI::IsMember({"sgd", "adam", "adamw"}))
      ->type_name("NAME")
      ->group(optimization);
  app.add_option("--lr", lr,
                 "Learning rate (default " + number("%g", SGD{}.lr) + " for sgd, " + number("%g", Adam{}.lr) +
                     " for adam and adamw)")
      ->check(between(0, 1e6))
      ->type_name("X")
      ->group(optimization);
  app.add_flag("--find-lr", find_lr,
               "Instead of training show how the loss takes growing learning rates, and suggest one")
      ->excludes(several)
      ->configurable(false)
      ->group(optimization);
  app.add_option("--momentum", momentum, "Momentum of sgd")->check(between(0, 1.0))->group(optimization);
  app.add_flag("--nesterov", nesterov, "Nesterov's momentum for sgd")->group(optimization);
  app.add_option(
         "--weight-decay", weight_decay,
         "Weight decay (default 0 for sgd and adam, " + number("%g", AdamW{}.weight_decay) + " for adamw)")
      ->check(between(0, 1e6))
      ->type_name("X")
      ->group(optimization);
  app.add_flag("--no-decay-norm-bias", no_decay_norm_bias,
               "Spare biases and BatchNorm's weights from weight decay")
      ->group(optimization);
  app.add_option("--label-smoothing", fit.loss.label_smoothing, "Share of the target spread over all classes")
      ->check(between(0, 1.0))
      ->group(optimization);
  app.add_option("--clip-grad-norm", fit.optimizer.clip_grad_norm, "Largest norm of all gradients; 0: any")
      ->check(not_negative())
      ->group(optimization);
  app.add_option("--schedule", schedule, "Course of the learning rate: constant, step, cosine or one_cycle")
      ->check(CLI::IsMember({"constant", "step", "cosine", "one_cycle", "onecycle"}))
      ->type_name("NAME")
      ->group(optimization);
  app.add_option("--step-epochs", fit.schedule.step_epochs, "step: epochs between drops")
      ->check(CLI::Range(1, 1 << 20))
      ->group(optimization);
  app.add_option("--gamma", fit.schedule.gamma, "step: factor of a drop")
      ->check(between(0, 1.0))
      ->group(optimization);
  app.add_option("--warmup", fit.schedule.warmup_epochs, "Epochs of linear rise from 0; not for one_cycle")
      ->check(not_negative())
      ->group(optimization);

  batch_norm.add_to(app, fit);

  const std::string images = "Random changes of training images";
  app.add_flag("--augment", augment, "Crop with a padding of an eighth of the height, and flip")
      ->group(images);
  app.add_option("--crop", crop, "Crop with N pixels of padding")
      ->check(CLI::Range(0, 1024))
      ->type_name("N")
      ->group(images);
  app.add_flag("--flip", flip, "Flip left and right")->group(images);
  app.add_option("--erase", erase, "Probability of making a rectangle zeros (random erasing)")
      ->check(between(0, 1.0))
      ->type_name("P")
      ->group(images);
  output.add_to(app);
}

/// What a run is made from, with the values that depend on the optimizer.
Json TrainArgs::config(const CLI::App& app) const {
  Json options = options_json(app);
  std::visit(
      [&](const auto& method) {
        options["lr"] = method.lr;
        options["weight-decay"] = method.weight_decay;
      },
      fit.optimizer.method);
  options["seed"] = model.seed;
  if (seeds.empty()) options.erase("seeds");
  return config_json(app, options);
}

Optimizer TrainArgs::make_optimizer() const {
  Optimizer made = fit.optimizer;
  made.decay_norm_and_bias = !no_decay_norm_bias;
  if (optimizer == "sgd") {
    SGD sgd;
    sgd.lr = lr.value_or(sgd.lr);
    sgd.momentum = momentum;
    sgd.nesterov = nesterov;
    sgd.weight_decay = weight_decay.value_or(sgd.weight_decay);
    made.method = sgd;
  } else if (optimizer == "adam") {
    made.method = adam<Adam>(*this);
  } else {
    made.method = adam<AdamW>(*this);
  }
  return made;
}

Augmentation TrainArgs::make_augmentation(const Shape& images) const {
  Augmentation made{crop.value_or(0), flip || augment, erase};
  if (augment && !crop && images.rank() == 4) made.crop_padding = std::max<int64_t>(1, images[2] / 8);
  if (made.changes() && images.rank() != 4) {
    throw Error("--augment, --crop, --flip and --erase need images; " + model.model +
                " takes inputs of shape " + images.str());
  }
  return made;
}

/// Error where `folder` holds a run of another network.
void check_resume(const std::filesystem::path& folder, const CheckpointInfo& wanted) {
  const std::filesystem::path file = folder / kLast;
  if (!std::filesystem::exists(file)) return;
  const CheckpointInfo found = CheckpointInfo::from_metadata(read_safetensors(file).metadata, file.string());
  if (found.to_metadata() != wanted.to_metadata()) {
    throw Error(file.string() + " is a run of " + (found.model.empty() ? "another network" : found.model) +
                " with other sizes or data: choose another --out, or leave out --resume to replace it");
  }
}

Json result_json(const TrainArgs& args, const FitResult& result) {
  return {{"model", args.model.model},
          {"epochs", result.epochs},
          {"train_loss", result.train_loss},
          {"test_accuracy", result.test_accuracy},
          {"best_accuracy", result.best_accuracy},
          {"seconds", result.seconds},
          {"images_per_s", result.images_per_s},
          {"interrupted", result.interrupted},
          {"stopped_early", result.stopped_early},
          {"out", args.fit.out.string()}};
}

void print_planned(const PlannedMemory& memory) {
  const auto mb = [](int64_t bytes) { return number("%.1f", static_cast<double>(bytes) / 1e6); };
  std::cerr << "training will take " << mb(memory.total()) << " MB beside the data: parameters "
            << mb(memory.parameters) << ", optimizer " << mb(memory.optimizer)
            << ", activations and gradients " << mb(memory.activations) << ", workspace of threads "
            << mb(memory.workspace) << std::endl;
}

void print_epoch(std::ostream& text, const EpochMetrics& epoch, int64_t epochs) {
  text << "epoch " << epoch.epoch << '/' << epochs << "  train loss " << number("%.4f", epoch.train_loss)
       << "  test loss " << number("%.4f", epoch.test_loss) << "  test accuracy "
       << number("%.2f", epoch.test_accuracy * 100) << " %  lr " << number("%.3g", epoch.lr) << "  "
       << grouped(static_cast<int64_t>(epoch.images_per_s)) << " images/s  "
       << clock_text(static_cast<double>(epochs - epoch.epoch) * epoch.seconds) << " left" << std::endl;
}

/// A network and data that fit together, and the options for them.
struct Prepared {
  Split data;
  OpenedModel opened;
  CheckpointInfo info;
};

Prepared prepare(TrainArgs& args) {
  Split data = args.data.load();
  OpenedModel opened = open_model(args.model, &data.train);
  opened.prepare(data.train);
  opened.prepare(data.test);
  const Normalization normalization = opened.normalization ? *opened.normalization : measure(data.train);
  if (!opened.normalization) {
    normalize(data.train, normalization);
    normalize(data.test, normalization);
  }
  FitOptions& options = args.fit;
  args.batch_norm.apply(opened.model, options);
  options.optimizer = args.make_optimizer();
  options.schedule.kind = schedule_kind(args.schedule);
  options.augmentation = args.make_augmentation(data.train.inputs.shape());
  options.seed = args.model.seed;
  options.stop = &stop_requested;
  CheckpointInfo info{args.model.short_name(), opened.sizes, normalization};
  return {std::move(data), std::move(opened), std::move(info)};
}

void introduce(const TrainArgs& args, const Split& data) {
  args.output.text() << args.model.model << " on " << args.data.spec << ": " << grouped(data.train.size())
                     << " to learn from, " << grouped(data.test.size()) << " to test on, "
                     << data.train.classes << " classes" << std::endl;
}

int find_rate(TrainArgs& args) {
  Prepared prepared = prepare(args);
  introduce(args, prepared.data);
  Progress progress;
  args.fit.on_step = [&](int64_t step, int64_t total, double images_per_s, double loss) {
    progress.update(step, total, images_per_s, "loss " + number("%.4f", loss));
  };
  const LrRange range = find_lr(prepared.opened.model, prepared.data.train, args.fit);
  progress.clear();
  print_lr_range(args.output.text(), range);
  Json result = lr_range_json(range);
  args.data.report(args.output.text(), result);
  args.output.finish(result);
  return stop_requested ? kSignalExit + stop_signal : 0;
}

/// Trains into args.fit.out; `json` gets the result.
FitResult train_once(const CLI::App& app, TrainArgs& args, Json& json) {
  std::ostream& text = args.output.text();
  auto [data, opened, info] = prepare(args);
  FitOptions& options = args.fit;
  options.metadata = info.to_metadata();
  if (options.resume) check_resume(options.out, info);
  introduce(args, data);

  Progress progress;
  int64_t planned = 0;
  options.on_start = [&](const PlannedMemory& memory) {
    write_json(options.out / kConfig, args.config(app));
    print_planned(memory);
    planned = memory.total();
  };
  options.on_step = [&](int64_t step, int64_t total, double images_per_s, double loss) {
    progress.update(step, total, images_per_s, "loss " + number("%.4f", loss));
  };
  options.on_epoch = [&](const EpochMetrics& epoch) {
    progress.clear();
    print_epoch(text, epoch, options.epochs);
  };
  options.on_note = [&](const std::string& note) {
    progress.clear();
    text << note << std::endl;
  };
  const FitResult result = fit(opened.model, data, options);
  progress.clear();

  if (result.interrupted) {
    text << "interrupted: saved " << (options.out / kLast).string() << "; --resume continues" << std::endl;
  } else {
    text << "best test accuracy " << number("%.2f", result.best_accuracy * 100) << " % in "
         << (options.out / kBest).string() << std::endl;
  }
  json = result_json(args, result);
  json["planned_mb"] = static_cast<double>(planned) / 1e6;
  return result;
}

/// Once for each seed, each as if it were alone.
int train_seeds(const CLI::App& app, TrainArgs& args) {
  const std::filesystem::path out = args.fit.out;
  std::vector<SeededRun> runs;
  Json details = Json::array();
  bool interrupted = false;
  for (const uint64_t seed : seed_list(args.seeds, args.model.seed)) {
    TrainArgs one = args;
    one.seeds.clear();
    one.model.seed = seed;
    one.fit.out = out / ("seed-" + std::to_string(seed));
    args.output.text() << "seed " << seed << ", in " << one.fit.out.string() << std::endl;
    Json json;
    const FitResult result = train_once(app, one, json);
    json["seed"] = seed;
    details.push_back(std::move(json));
    if (runs.empty()) {
      args.fit.optimizer = one.fit.optimizer;
      write_json(out / kConfig, args.config(app));
    }
    args.data.skipped = one.data.skipped;
    interrupted = result.interrupted;
    if (interrupted) break;
    runs.push_back({seed, result});
  }
  Json result = {{"model", args.model.model}, {"interrupted", interrupted}, {"out", out.string()}};
  if (!runs.empty()) {
    print_seeds(args.output.text(), runs);
    result.update(seeds_json(runs));
  }
  result["runs"] = details;
  args.data.report(args.output.text(), result);
  args.output.finish(result);
  return interrupted ? kSignalExit + stop_signal : 0;
}

int train(CLI::App& app, TrainArgs& args) {
  for (const std::string& assignment : args.sets) set_option(app, assignment);
  args.fit.out = args.out.empty() ? std::filesystem::path("runs") / args.model.short_name()
                                  : std::filesystem::path(args.out);
  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
  if (args.find_lr) return find_rate(args);
  if (!args.seeds.empty()) return train_seeds(app, args);
  Json json;
  const FitResult result = train_once(app, args, json);
  args.data.report(args.output.text(), json);
  args.output.finish(json);
  return result.interrupted ? kSignalExit + stop_signal : 0;
}

}  // namespace

Command add_train(CLI::App& app) {
  auto args = std::make_shared<TrainArgs>();
  CLI::App* parser = app.add_subcommand("train", "Trains a network and keeps its best and last weights");
  args->add_to(*parser);
  return {parser, [parser, args] { return train(*parser, *args); }};
}

}  // namespace pleat::tools
