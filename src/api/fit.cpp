#include <chrono>
#include <cmath>
#include <limits>

#include "api/batch_norm_json.hpp"
#include "api/checkpoint.hpp"
#include "api/evaluated_weights.hpp"
#include "api/labels.hpp"
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
  if (options.recalibrate_batches > 0) json["recalibrate_batches"] = options.recalibrate_batches;
  if (Json changed = batch_norm_options_json(model.graph.ir()); !changed.empty())
    json["batch norm"] = changed;
  return json;
}

bool trains_batch_norm(const GraphData& graph) {
  for (const Node& node : graph.nodes) {
    const auto* batch_norm = std::get_if<ops::BatchNorm>(&node.attributes);
    if (batch_norm != nullptr && !batch_norm->frozen) return true;
  }
  return false;
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
  int64_t total_steps() const { return options_.epochs * steps_per_epoch_; }
  double lr_factor(int64_t step) const {
    return options_.schedule.factor(step, total_steps(), steps_per_epoch_);
  }

  void resume();
  /// False where it was asked to stop.
  bool train_epoch();
  double train_step(std::span<const int64_t> positions);
  void finish_epoch();
  const Tensor& target();

  Model& model_;
  const Split& data_;
  const FitOptions& options_;
  Trainer trainer_;
  CheckpointFolder files_;
  FitProgress progress_;
  int64_t steps_per_epoch_ = 0;
  Tensor inputs_, labels_, one_hot_;  // the batch
  int64_t images_ = 0;                // trained on in this call
  double training_seconds_ = 0;       // of this call
};

Fit::Fit(Model& model, const Split& data, const FitOptions& options)
    : model_(model),
      data_(data),
      options_(options),
      trainer_(model, options.loss, options.optimizer),
      files_(options.out, identity(options, model.impl(), data), options.metadata) {
  const int64_t n = data.train.size(), batch = options.batch_size;
  const GraphData& graph = model.impl().graph.ir();
  const Shape& output = graph.value(graph.outputs[0]).type.shape;
  if (output.rank() != 2) fail("fit: needs a network with output (N, classes), got ", output.str());
  check_labels("fit: training data", data.train.labels, output[1]);
  if (data.test.size() > 0) check_labels("fit: test data", data.test.labels, output[1]);

  steps_per_epoch_ = (n + batch - 1) / batch;
  if (n % batch == 1 && n > batch && batch > 1 && trains_batch_norm(graph)) {
    --steps_per_epoch_;
    note(
        concat("the last batch would hold one item, which batch normalization cannot train on: it joins the "
               "batch before it, of ",
               batch + 1));
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

const Tensor& Fit::target() {
  if (options_.loss.kind == LossKind::cross_entropy) return labels_;
  const GraphData& graph = model_.impl().graph.ir();
  const int64_t n = labels_.numel(), classes = graph.value(graph.outputs[0]).type.shape[1];
  one_hot_ = Tensor({n, classes});
  float* values = one_hot_.data<float>();
  const int64_t* labels = std::as_const(labels_).data<int64_t>();
  for (int64_t i = 0; i < n; ++i) values[i * classes + labels[i]] = 1;
  return one_hot_;
}

double Fit::train_step(std::span<const int64_t> positions) {
  const auto start = Clock::now();
  const uint64_t step = static_cast<uint64_t>(trainer_.steps());
  model_.impl().arena.execute([&] {
    make_batch(data_.train, positions, options_.augmentation,
               Random::mix(Random::mix(options_.seed, /*stream=*/1), step), inputs_, labels_);
  });
  const double loss = trainer_.step(inputs_, target(), lr_factor(trainer_.steps()));
  const double seconds = seconds_since(start);
  progress_.seconds += seconds;
  progress_.loss_sum += loss * static_cast<double>(positions.size());
  ++progress_.step;
  training_seconds_ += seconds;
  images_ += static_cast<int64_t>(positions.size());
  return loss;
}

bool Fit::train_epoch() {
  const int64_t n = data_.train.size(), batch = options_.batch_size;
  const uint64_t epoch = static_cast<uint64_t>(progress_.epoch);
  const std::vector<int64_t> order =
      shuffled(n, Random::mix(Random::mix(options_.seed, /*stream=*/0), epoch));
  while (progress_.step < steps_per_epoch_) {
    if (stop_asked()) return false;
    const int64_t begin = progress_.step * batch;
    const int64_t end = progress_.step + 1 == steps_per_epoch_ ? n : begin + batch;
    const double loss =
        train_step(std::span(order).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin)));
    if (options_.on_step) {
      options_.on_step(trainer_.steps(), total_steps(), static_cast<double>(images_) / training_seconds_,
                       loss);
    }
    const bool due = options_.checkpoint_steps > 0 && trainer_.steps() % options_.checkpoint_steps == 0;
    if (due && progress_.step < steps_per_epoch_) files_.save_last(model_, trainer_, progress_);
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
  if (options.batch_size < 1) fail("fit: the batch size must be positive, got ", options.batch_size);
  if (data.train.size() == 0) fail("fit: there is no training data");
  return Fit(model, data, options).run();
}

}  // namespace pleat
