#include "api/fit_batches.hpp"

#include <span>

#include "api/labels.hpp"
#include "api/not_finite.hpp"
#include "base/format.hpp"
#include "base/random.hpp"

namespace pleat {
namespace {

bool trains_batch_norm(const GraphData& graph) {
  for (const Node& node : graph.nodes) {
    const auto* batch_norm = std::get_if<ops::BatchNorm>(&node.attributes);
    if (batch_norm != nullptr && !batch_norm->frozen) return true;
  }
  return false;
}

}  // namespace

void check_items(std::string_view who, const Dataset& data, int64_t classes) {
  check_labels(who, data.labels, classes);
  if (const auto fault = find_not_finite(data.inputs)) {
    fail(who, ": the input of item ", fault->item, " holds ", fault->value);
  }
}

FitBatches::FitBatches(Model& model, const Dataset& data, const FitOptions& options)
    : model_(model.impl()), data_(data), options_(options) {
  const int64_t n = data.size(), batch = options.batch_size;
  if (batch < 1) fail("fit: the batch size must be positive, got ", batch);
  if (n == 0) fail("fit: there is no training data");
  const GraphData& graph = model_.graph.ir();
  const Shape& output = graph.value(graph.outputs[0]).type.shape;
  if (output.rank() != 2) fail("fit: needs a network with output (N, classes), got ", output.str());
  classes_ = output[1];
  check_items("fit: training data", data, classes_);
  per_epoch_ = (n + batch - 1) / batch;
  merges_last_ = n % batch == 1 && n > batch && batch > 1 && trains_batch_norm(graph);
  if (merges_last_) --per_epoch_;
}

void FitBatches::start(int64_t first, int64_t last) {
  // A smaller batch is made sooner than another thread is woken.
  constexpr size_t kWorthAThread = 128 << 10;
  const size_t item_bytes = data_.inputs.bytes() / static_cast<size_t>(data_.size());
  const bool ahead =
      options_.load_ahead && item_bytes * static_cast<size_t>(options_.batch_size) >= kWorthAThread;
  loader_.emplace(
      first, last, [this](int64_t step, Batch& batch) { make(step, batch); }, ahead);
}

const Batch& FitBatches::next() {
  const Batch* batch = nullptr;
  model_.arena.execute([&] { batch = &loader_->next(); });
  return *batch;
}

void FitBatches::make(int64_t step, Batch& batch) {
  const auto stream = [&](uint64_t number) { return Random::mix(options_.seed, number); };
  const int64_t n = data_.size(), epoch = step / per_epoch_, in_epoch = step % per_epoch_;
  if (ordered_ != epoch) {
    order_ = shuffled(n, Random::mix(stream(0), static_cast<uint64_t>(epoch)));
    ordered_ = epoch;
  }
  const int64_t begin = in_epoch * options_.batch_size;
  const int64_t end = in_epoch + 1 == per_epoch_ ? n : begin + options_.batch_size;
  const auto positions =
      std::span(order_).subspan(static_cast<size_t>(begin), static_cast<size_t>(end - begin));
  make_batch(data_, positions, options_.augmentation, Random::mix(stream(1), static_cast<uint64_t>(step)),
             batch.inputs, batch.labels);
}

const Tensor& FitBatches::target(const Batch& batch) {
  if (options_.loss.kind == LossKind::cross_entropy) return batch.labels;
  const int64_t n = batch.labels.numel();
  one_hot_ = Tensor({n, classes_});
  float* values = one_hot_.data<float>();
  const int64_t* labels = batch.labels.data<int64_t>();
  for (int64_t i = 0; i < n; ++i) values[i * classes_ + labels[i]] = 1;
  return one_hot_;
}

}  // namespace pleat
