#pragma once

#include <filesystem>
#include <nlohmann/json.hpp>

#include "pleat/train.hpp"

namespace pleat {

using Json = nlohmann::ordered_json;

/// Where a fit stands: with the weights and the trainer's state all that a resumed one needs.
struct FitProgress {
  int64_t epoch = 0;                 ///< finished
  int64_t step = 0;                  ///< done in the epoch after those
  double loss_sum = 0, seconds = 0;  ///< of that epoch so far; the loss times items
  double best_accuracy = -1;
  int64_t best_epoch = 0;
  Json metrics = Json::array();  ///< one object a finished epoch: metrics.jsonl is made from these
};

/// The files of one fit in `folder`; an empty folder: nothing is written.
class CheckpointFolder {
 public:
  /// `options` is what a resumed fit must have in common with this one. Makes the folder.
  CheckpointFolder(std::filesystem::path folder, Json options, std::map<std::string, std::string> metadata);

  bool enabled() const { return !folder_.empty(); }
  std::filesystem::path last() const { return folder_ / "last.safetensors"; }

  void save_last(const Model& model, const Trainer& trainer, const FitProgress& progress) const;
  void save_best(const Model& model, const FitProgress& progress) const;
  /// metrics.jsonl as `progress` has it.
  void write_metrics(const FitProgress& progress) const;

  /// Loads last.safetensors. Error where it is damaged, of another network or of other options; then nothing
  /// was changed. `note` hears what is worth saying.
  FitProgress load_last(Model& model, Trainer& trainer,
                        const std::function<void(const std::string&)>& note) const;

 private:
  std::map<std::string, std::string> metadata(const FitProgress& progress) const;

  std::filesystem::path folder_;
  Json options_;
  std::map<std::string, std::string> metadata_;
};

}  // namespace pleat
