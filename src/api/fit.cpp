#include <chrono>
#include <cmath>
#include <limits>

#include "api/batch_norm_json.hpp"
#include "api/checkpoint.hpp"
#include "api/evaluated_weights.hpp"
#include "api/fit_batches.hpp"
#include "api/model_impl.hpp"
#include "base/format.hpp"
#include "base/random.hpp"

namespace pleat {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

double number(const Json& json) {
  return json.is_number() ? json.get<double>() : kNone;
}

Json to_json(const EpochMetrics& metrics) {
  return {{"epoch", metrics.epoch},
          {"train_loss", metrics.train_loss},
          {"test_loss", metrics.test_loss},
          {"test_accuracy", metrics.test_accuracy},
          {"lr", metrics.lr},
          {"seconds", metrics.seconds},
          {"images_per_s", metrics.images_per_s}};
}

Json to_json(const Optimizer& optimizer) {
  Json json = std::visit(
      []<class Method>(const Method& m) -> Json {
        if constexpr (std::is_same_v<Method, SGD>) {
          return {{"method", "sgd"},
                  {"lr", m.lr},
                  {"momentum", m.momentum},
                  {"nesterov", m.nesterov},
                  {"weight_decay", m.weight_decay}};
        } else {
          return {{"method", std::is_same_v<Method, Adam> ? "adam" : "adamw"},
                  {"lr", m.lr},
                  {"beta1", m.beta1},
                  {"beta2", m.beta2},
                  {"eps", m.eps},
                  {"weight_decay", m.weight_decay}};
        }
      },
      optimizer.method);
  json["decay_norm_and_bias"] = optimizer.decay_norm_and_bias;
  json["clip_grad_norm"] = optimizer.clip_grad_norm;
  if (optimizer.micro_batch_size > 0) json["micro_batch_size"] = optimizer.micro_batch_size;
  if (optimizer.ema_decay > 0) json["ema_decay"] = optimizer.ema_decay;
  return json;
}

Json to_json(const Schedule& schedule) {
  switch (schedule.kind) {
    case ScheduleKind::constant:
      return {{"kind", "constant"}, {"warmup_epochs", schedule.warmup_epochs}};
    case ScheduleKind::step:
      return {{"kind", "step"},
              {"step_epochs", schedule.step_epochs},
              {"gamma", schedule.gamma},
              {"warmup_epochs", schedule.warmup_epochs}};
    case ScheduleKind::cosine:
      return {{"kind", "cosine"}, {"warmup_epochs", schedule.warmup_epochs}};
    case ScheduleKind::one_cycle:
      return {{"kind", "one_cycle"},
              {"pct_start", schedule.pct_start},
              {"div_factor", schedule.div_factor},
              {"final_div_factor", schedule.final_div_factor}};
  }
  return {};
}

/// What must be the same for a resumed run to end with the same bits.
Json identity(const FitOptions& options, const Model::Impl& model, const Split& data) {
  uint64_t labels = 0;
  for (int64_t label : data.train.labels.span<int64_t>()) {
    labels = Random::mix(labels, static_cast<uint64_t>(label));
  }
  Json frozen = Json::array(), fixed = Json::array();
  for (const Node& node : model.graph.ir().nodes) {
    const auto* batch_norm = std::get_if<ops::BatchNorm>(&node.attributes);
    const auto* dropout = std::get_if<ops::Dropout>(&node.attributes);
    if ((batch_norm && batch_norm->frozen) || (dropout && dropout->frozen)) frozen.push_back(node.name);
  }
  for (const ValueInfo& value : model.graph.ir().values) {
    if (value.kind == ValueKind::parameter && !value.requires_grad) fixed.push_back(value.name);
  }
  Json json = {{"batch_size", options.batch_size},
               {"seed", options.seed},
               {"model_seed", model.options.seed},
               {"loss", options.loss.kind == LossKind::mse ? "mse" : "cross_entropy"},
               {"label_smoothing", options.loss.label_smoothing},
               {"optimizer", to_json(options.optimizer)},
               {"schedule", to_json(options.schedule)},
               {"crop_padding", options.augmentation.crop_padding},
               {"flip", options.augmentation.flip},
               {"train_items", data.train.size()},
               {"test_items", data.test.size()},
               {"hash of the train labels", labels},
               {"frozen layers", frozen},
               {"parameters without gradient", fixed}};
  const bool by_length =
      options.schedule.kind == ScheduleKind::cosine || options.schedule.kind == ScheduleKind::one_cycle;
  if (by_length) json["epochs"] = options.epochs;
  if (options.augmentation.erase > 0) json["erase"] = options.augmentation.erase;
  if (options.recalibrate_batches > 0) json["recalibrate_batches"] = options.recalibrate_batches;
  if (Json changed = batch_norm_options_json(model.graph.ir()); !changed.empty())
    json["batch norm"] = changed;
  return json;
}

class Fit {
 public:
  Fit(Model& model, const Split& data, const FitOptions& options);
  FitResult run();

 private:
  void note(const std::string& text) const {
    if (options_.on_note) options_.on_note(text);
  }
  bool stop_asked() const { return options_.stop != nullptr && options_.stop->load(); }
  bool out_of_patience() const {
    return options_.patience > 0 && progress_.epoch - progress_.best_epoch >= options_.patience;
  }
  int64_t total_steps() const { return options_.epochs * batches_.per_epoch(); }
  double lr_factor(int64_t step) const {
    return options_.schedule.factor(step, total_steps(), batches_.per_epoch());
  }

  PlannedMemory planned_memory();
  void resume();
  /// False where it was asked to stop.
  bool train_epoch();
  double train_step();
  void finish_epoch();

  Model& model_;
  const Split& data_;
  const FitOptions& options_;
  Trainer trainer_;
  FitBatches batches_;
  CheckpointFolder files_;
  FitProgress progress_;
  int64_t images_ = 0;           // trained on in this call
  double training_seconds_ = 0;  // of this call
};

Fit::Fit(Model& model, const Split& data, const FitOptions& options)
    : model_(model),
      data_(data),
      options_(options),
      trainer_(model, options.loss, options.optimizer),
      batches_(model, data.train, options),
      files_(options.out, identity(options, model.impl(), data), options.metadata) {
  const GraphData& graph = model.impl().graph.ir();
  if (data.test.size() > 0) {
    check_items("fit: test data", data.test, graph.value(graph.outputs[0]).type.shape[1]);
  }
  if (batches_.merges_last()) {
    note(
        concat("the last batch would hold one item, which batch normalization cannot train on: it joins the "
               "batch before it, of ",
               options.batch_size + 1));
  }
  lr_factor(0);  // an error of the schedule comes now
}

void Fit::resume() {
  if (options_.resume && files_.enabled() && std::filesystem::exists(files_.last())) {
    progress_ = files_.load_last(model_, trainer_, [this](const std::string& text) { note(text); });
    note(concat("resumed after ", progress_.epoch, " epochs and ", progress_.step, " steps"));
  }
  files_.write_metrics(progress_);
}

PlannedMemory Fit::planned_memory() {
  const auto planned = [&](int64_t items) {
    Shape input = data_.train.inputs.shape(), target{items};
    input[0] = items;
    if (options_.loss.kind == LossKind::mse) {
      const GraphData& graph = model_.impl().graph.ir();
      target = {items, graph.value(graph.outputs[0]).type.shape[1]};
    }
    return trainer_.planned_memory(input, target);
  };
  const int64_t n = data_.train.size(), batch = std::min(options_.batch_size, n);
  PlannedMemory memory = planned(batch);
  // The steps of a last batch of another size keep memory of their own.
  if (const int64_t last = n - (batches_.per_epoch() - 1) * batch; last != batch) {
    const PlannedMemory more = planned(last);
    memory.activations += more.activations;
    memory.workspace += more.workspace;
  }
  return memory;
}

double Fit::train_step() {
  const auto start = Clock::now();
  const Batch& batch = batches_.next();
  const double loss = trainer_.step(batch.inputs, batches_.target(batch), lr_factor(trainer_.steps()));
  const double seconds = seconds_since(start);
  const int64_t items = batch.labels.numel();
  progress_.seconds += seconds;
  progress_.loss_sum += loss * static_cast<double>(items);
  ++progress_.step;
  training_seconds_ += seconds;
  images_ += items;
  return loss;
}

bool Fit::train_epoch() {
  while (progress_.step < batches_.per_epoch()) {
    if (stop_asked()) return false;
    const double loss = train_step();
    if (options_.on_step) {
      options_.on_step(trainer_.steps(), total_steps(), static_cast<double>(images_) / training_seconds_,
                       loss);
    }
    const bool due = options_.checkpoint_steps > 0 && trainer_.steps() % options_.checkpoint_steps == 0;
    if (due && progress_.step < batches_.per_epoch()) files_.save_last(model_, trainer_, progress_);
  }
  return !stop_asked();
}

void Fit::finish_epoch() {
  const double n = static_cast<double>(data_.train.size());
  const double lr = std::visit([](const auto& method) { return method.lr; }, options_.optimizer.method);
  EpochMetrics metrics = {.epoch = progress_.epoch + 1,
                          .train_loss = progress_.loss_sum / n,
                          .test_loss = kNone,
                          .test_accuracy = kNone,
                          .lr = lr * lr_factor(trainer_.steps() - 1),
                          .seconds = progress_.seconds,
                          .images_per_s = n / progress_.seconds};
  const bool validates = data_.test.size() > 0;
  std::optional<EvaluatedWeights> evaluated(std::in_place, model_, trainer_, data_.train, options_);
  if (validates) {
    const auto start = Clock::now();
    const Evaluation evaluation = evaluate(model_, data_.test);
    metrics.test_loss = evaluation.loss;
    metrics.test_accuracy = evaluation.accuracy;
    metrics.seconds += seconds_since(start);
  }
  ++progress_.epoch;
  progress_.step = 0;
  progress_.loss_sum = progress_.seconds = 0;
  progress_.metrics.push_back(to_json(metrics));
  // Without test data the newest weights count as the best.
  if (!validates || metrics.test_accuracy > progress_.best_accuracy) {
    if (validates) progress_.best_accuracy = metrics.test_accuracy;
    progress_.best_epoch = progress_.epoch;
    files_.save_best(model_, progress_);
  }
  evaluated.reset();
  // In this order: a run killed in between repeats the epoch, or finds its metrics in the checkpoint.
  files_.save_last(model_, trainer_, progress_);
  files_.write_metrics(progress_);
  if (options_.on_epoch) options_.on_epoch(metrics);
}

FitResult Fit::run() {
  const auto start = Clock::now();
  resume();
  if (options_.on_start) options_.on_start(planned_memory());
  batches_.start(trainer_.steps(), total_steps());
  FitResult result;
  while (progress_.epoch < options_.epochs && !out_of_patience()) {
    if (!train_epoch()) {
      files_.save_last(model_, trainer_, progress_);
      note(concat("stopped after ", progress_.epoch, " epochs and ", progress_.step, " steps"));
      result.interrupted = true;
      break;
    }
    finish_epoch();
  }
  if (!result.interrupted && progress_.epoch < options_.epochs) {
    result.stopped_early = true;
    note(concat("stopped early: no better test accuracy for ", options_.patience, " epochs"));
  }
  result.epochs = progress_.epoch;
  result.best_accuracy = progress_.best_accuracy < 0 ? kNone : progress_.best_accuracy;
  result.train_loss = result.test_accuracy = kNone;
  if (!progress_.metrics.empty()) {
    result.train_loss = number(progress_.metrics.back().at("train_loss"));
    result.test_accuracy = number(progress_.metrics.back().at("test_accuracy"));
  }
  result.seconds = seconds_since(start);
  result.images_per_s = images_ > 0 ? static_cast<double>(images_) / training_seconds_ : 0;
  return result;
}

}  // namespace

FitResult fit(Model& model, const Split& data, const FitOptions& options) {
  if (options.epochs < 1) fail("fit: epochs must be positive, got ", options.epochs);
  return Fit(model, data, options).run();
}

}  // namespace pleat
