#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "api/batch_loader.hpp"
#include "api/model_impl.hpp"
#include "pleat/train.hpp"

namespace pleat {

/// Error, beginning with `who`, where an input is not finite or a label not one of the classes: it names the
/// item.
void check_items(std::string_view who, const Dataset& data, int64_t classes);

/// The batches of a fit, shuffled anew each epoch and augmented; step by step the same however long the run.
class FitBatches {
 public:
  /// Error where the data does not fit the network. All must outlive this.
  FitBatches(Model& model, const Dataset& data, const FitOptions& options);

  int64_t per_epoch() const { return per_epoch_; }
  /// Whether the last batch of an epoch would hold one item, which BatchNorm cannot train on, and therefore
  /// joins the one before it.
  bool merges_last() const { return merges_last_; }

  /// next() gives the batches of steps first..last-1, counted over the whole run.
  void start(int64_t first, int64_t last);
  /// Good until the next call, as the target of it is.
  const Batch& next();
  /// What the loss wants of a batch.
  const Tensor& target(const Batch& batch);

 private:
  void make(int64_t step, Batch& batch);  // on the loader's thread

  Model::Impl& model_;
  const Dataset& data_;
  const FitOptions& options_;
  int64_t classes_ = 0, per_epoch_ = 0;
  bool merges_last_ = false;
  Tensor one_hot_;

  std::vector<int64_t> order_;  // of the items, in epoch ordered_
  int64_t ordered_ = -1;
  std::optional<BatchLoader> loader_;  // last: its thread uses the rest
};

}  // namespace pleat
