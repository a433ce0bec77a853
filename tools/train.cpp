#include "pleat/train.hpp"

#include <atomic>
#include <csignal>
#include <filesystem>
#include <memory>
#include <optional>

#include "batch_norm_args.hpp"
#include "commands.hpp"
#include "data_args.hpp"
#include "inputs.hpp"
#include "model_args.hpp"
#include "output.hpp"
#include "pleat/error.hpp"
#include "pleat/safetensors.hpp"
#include "progress.hpp"
#include "table.hpp"
#include "validators.hpp"

namespace pleat::tools {

namespace {

constexpr const char* kLast = "last.safetensors";
constexpr const char* kBest = "best.safetensors";
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
  std::string data, optimizer = "sgd", schedule = "constant", out;
  std::optional<double> lr, weight_decay;
  double momentum = SGD{}.momentum;
  bool nesterov = false, no_decay_norm_bias = false;
  bool augment = false, flip = false;
  std::optional<int64_t> crop;
  BatchNormArgs batch_norm;
  FitOptions fit;

  void add_to(CLI::App& app);
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
  model.add_normalization_to(app);
  add_data_option(app, data, "What to learn")->required();
  app.add_option("--epochs", fit.epochs, "Passes over the data")->check(CLI::Range(1, 1 << 20));
  app.add_option("--batch", fit.batch_size, "Items a step")->check(CLI::Range(1, 1 << 24));
  app.add_option("--out", out,
                 "Folder for last.safetensors, best.safetensors and metrics.jsonl (default runs/MODEL)")
      ->type_name("DIR");
  app.add_flag("--resume", fit.resume, "Continue from DIR/last.safetensors where it exists");
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
  output.add_to(app);
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
  Augmentation made{crop.value_or(0), flip || augment};
  if (augment && !crop && images.rank() == 4) made.crop_padding = std::max<int64_t>(1, images[2] / 8);
  if ((made.flip || made.crop_padding > 0) && images.rank() != 4) {
    throw Error("--augment, --crop and --flip need images; " + model.model + " takes inputs of shape " +
                images.str());
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

int train(TrainArgs& args) {
  std::ostream& text = args.output.text();
  Split data = load_data(args.data);
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
  options.out = args.out.empty() ? std::filesystem::path("runs") / args.model.short_name()
                                 : std::filesystem::path(args.out);
  const CheckpointInfo info{args.model.short_name(), opened.sizes, normalization};
  options.metadata = info.to_metadata();
  if (options.resume) check_resume(options.out, info);

  text << args.model.model << " on " << args.data << ": " << grouped(data.train.size()) << " to learn from, "
       << grouped(data.test.size()) << " to test on, " << data.train.classes << " classes" << std::endl;

  Progress progress;
  options.stop = &stop_requested;
  options.on_step = [&](int64_t step, int64_t total, double images_per_s, double loss) {
    progress.update(step, total, images_per_s, "loss " + number("%.4f", loss));
  };
  options.on_epoch = [&](const EpochMetrics& epoch) {
    progress.clear();
    text << "epoch " << epoch.epoch << '/' << options.epochs << "  train loss "
         << number("%.4f", epoch.train_loss) << "  test loss " << number("%.4f", epoch.test_loss)
         << "  test accuracy " << number("%.2f", epoch.test_accuracy * 100) << " %  lr "
         << number("%.3g", epoch.lr) << "  " << grouped(static_cast<int64_t>(epoch.images_per_s))
         << " images/s  " << clock_text(static_cast<double>(options.epochs - epoch.epoch) * epoch.seconds)
         << " left" << std::endl;
  };
  options.on_note = [&](const std::string& note) {
    progress.clear();
    text << note << std::endl;
  };
  std::signal(SIGINT, request_stop);
  std::signal(SIGTERM, request_stop);
  const FitResult result = fit(opened.model, data, options);
  progress.clear();

  if (result.interrupted) {
    text << "interrupted: saved " << (options.out / kLast).string() << "; --resume continues" << std::endl;
  } else {
    text << "best test accuracy " << number("%.2f", result.best_accuracy * 100) << " % in "
         << (options.out / kBest).string() << std::endl;
  }
  args.output.finish(result_json(args, result));
  return result.interrupted ? kSignalExit + stop_signal : 0;
}

}  // namespace

Command add_train(CLI::App& app) {
  auto args = std::make_shared<TrainArgs>();
  CLI::App* parser = app.add_subcommand("train", "Trains a network and keeps its best and last weights");
  args->add_to(*parser);
  return {parser, [args] { return train(*args); }};
}

}  // namespace pleat::tools
