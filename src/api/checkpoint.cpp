#include "api/checkpoint.hpp"

#include "base/atomic_file.hpp"
#include "base/format.hpp"
#include "pleat/isa.hpp"
#include "pleat/safetensors.hpp"

namespace pleat {
namespace {

constexpr const char* kKey = "fit";  // of the metadata that is ours

Json to_json(const FitProgress& progress) {
  return {{"epoch", progress.epoch},
          {"step", progress.step},
          {"loss_sum", progress.loss_sum},
          {"seconds", progress.seconds},
          {"best_accuracy", progress.best_accuracy},
          {"best_epoch", progress.best_epoch},
          {"metrics", progress.metrics}};
}

FitProgress from_json(const Json& json) {
  return {.epoch = json.at("epoch"),
          .step = json.at("step"),
          .loss_sum = json.at("loss_sum"),
          .seconds = json.at("seconds"),
          .best_accuracy = json.at("best_accuracy"),
          .best_epoch = json.at("best_epoch"),
          .metrics = json.at("metrics")};
}

/// "batch_size was 64, now 32; seed was 0, now 1"; empty where nothing differs.
std::string differences(const Json& was, const Json& now) {
  Json keys = now;
  keys.update(was);  // what only one of them has is there too
  std::string text;
  for (const auto& [key, unused] : keys.items()) {
    const Json before = was.value(key, Json()), after = now.value(key, Json());
    if (before != after) text += concat(text.empty() ? "" : "; ", key, " was ", before, ", now ", after);
  }
  return text;
}

}  // namespace

CheckpointFolder::CheckpointFolder(std::filesystem::path folder, Json options,
                                   std::map<std::string, std::string> metadata)
    : folder_(std::move(folder)), options_(std::move(options)), metadata_(std::move(metadata)) {
  if (!enabled()) return;
  std::error_code error;
  std::filesystem::create_directories(folder_, error);
  if (error) fail("fit: cannot make the folder ", folder_.string(), ": ", error.message());
}

std::map<std::string, std::string> CheckpointFolder::metadata(const FitProgress& progress) const {
  std::map<std::string, std::string> all = metadata_;
  const Json fit = {{"options", options_}, {"isa", active_isa()}, {"progress", to_json(progress)}};
  all[kKey] = fit.dump();
  return all;
}

void CheckpointFolder::save_last(const Model& model, const Trainer& trainer,
                                 const FitProgress& progress) const {
  if (!enabled()) return;
  SafeTensors content{model.state_dict(), metadata(progress)};
  for (auto& entry : trainer.state_dict()) content.tensors.push_back(std::move(entry));
  write_safetensors(last(), content);
}

void CheckpointFolder::save_best(const Model& model, const FitProgress& progress) const {
  if (enabled()) write_safetensors(folder_ / "best.safetensors", {model.state_dict(), metadata(progress)});
}

void CheckpointFolder::write_metrics(const FitProgress& progress) const {
  if (!enabled()) return;
  std::string lines;
  for (const Json& line : progress.metrics) lines += line.dump() + "\n";
  write_atomically(folder_ / "metrics.jsonl", lines);
}

FitProgress CheckpointFolder::load_last(Model& model, Trainer& trainer,
                                        const std::function<void(const std::string&)>& note) const {
  const SafeTensors content = read_safetensors(last());
  const auto entry = content.metadata.find(kKey);
  if (entry == content.metadata.end()) {
    fail("fit: cannot resume from ", last().string(), ": it is no checkpoint of a fit, its metadata lacks '",
         kKey, "'");
  }
  FitProgress progress;
  Json fit;
  try {
    fit = Json::parse(entry->second);
    progress = from_json(fit.at("progress"));
  } catch (const Json::exception& error) {
    fail("fit: cannot resume from ", last().string(), ": its metadata is damaged: ", error.what());
  }
  const std::string different = differences(fit.value("options", Json::object()), options_);
  if (!different.empty()) fail("fit: cannot resume from ", last().string(), ": ", different);

  const StateDict names = model.state_dict();
  StateDict weights, state;
  for (const auto& [name, tensor] : content.tensors) {
    const bool optimizer = name.starts_with("optimizer.") && find(names, name) == nullptr;
    (optimizer ? state : weights).emplace_back(name, tensor);
  }
  try {
    trainer.load_state_dict(state);
    model.load_state_dict(weights);
  } catch (const Error& error) {
    fail("fit: cannot resume from ", last().string(), ": ", error.what());
  }
  const std::string isa = fit.value("isa", active_isa());
  if (isa != active_isa()) {
    note(concat("the run so far used ", isa, ", this machine ", active_isa(), ": last bits may differ"));
  }
  return progress;
}

}  // namespace pleat
